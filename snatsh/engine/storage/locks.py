# SPDX-License-Identifier: Apache-2.0
"""Locks: one snatd per state folder, pins folder and network namespace. A crash releases them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path

from snatsh.engine.errors import AlreadyRunning
from snatsh.engine.peer_credentials import peer_credentials

_NAME = "\0snatsh/snatd"
_WAITING = 64
"""Others that can ask who holds the name before this snatd answers."""


class FolderLock:
    """An exclusive lock on an existing folder, for as long as this object or its process lives."""

    def __init__(self, folder: Path, what: str) -> None:
        """Take the lock. what: names the folder in the error. AlreadyRunning, OSError."""
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.fstat(self._descriptor))
            os.close(self._descriptor)
            raise AlreadyRunning(what, folder, holder) from None

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _holder(folder: os.stat_result) -> int:
    """Return the pid that /proc/locks gives for a lock on this inode; 0 in another pid namespace."""
    device = f"{os.major(folder.st_dev):02x}:{os.minor(folder.st_dev):02x}:{folder.st_ino}"
    with contextlib.suppress(OSError), Path("/proc/locks").open() as locks:
        for line in locks:
            fields = line.split()
            if "->" not in fields and len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device:
                return max(int(fields[4]), 0)
    return 0


class NamespaceLock:
    """One snatd per network namespace: two would detach each other's hooks.

    The name of an abstract socket belongs to the namespace and is freed when its process ends. Any user
    can bind it, so it only counts if root or our own user holds it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(_NAME)
            self._socket.listen(_WAITING)
            self._socket.setblocking(False)
        except OSError:
            self._socket.close()
            self._refuse_equals()

    @property
    def held(self) -> bool:
        """False where another user holds the name."""
        return self.fileno() >= 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def answer(self) -> None:
        """Let those go who asked: while they wait, they take the room of the next ones."""
        with contextlib.suppress(OSError):
            self._socket.accept()[0].close()

    def release(self) -> None:
        self._socket.close()

    @staticmethod
    def _refuse_equals() -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            probe.connect(_NAME)
            peer = peer_credentials(probe)
            if peer.uid in (0, os.geteuid()):
                raise AlreadyRunning("network namespace", Path("/proc/self/ns/net").readlink(), peer.pid)
