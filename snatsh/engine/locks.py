"""One snatd per state folder and per pins folder, held by flock: a crash releases it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from snatsh.engine.errors import AlreadyRunning


class FolderLock:
    """An exclusive lock on an existing folder, for as long as this object or its process lives."""

    def __init__(self, folder: Path, what: str) -> None:
        """`what` names the folder in the error: "state folder". AlreadyRunning, OSError."""
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
    """The pid that /proc/locks gives for a lock on this inode; 0 when it is in another pid namespace."""
    device = f"{os.major(folder.st_dev):02x}:{os.minor(folder.st_dev):02x}:{folder.st_ino}"
    with contextlib.suppress(OSError), Path("/proc/locks").open() as locks:
        for line in locks:
            fields = line.split()
            if "->" not in fields and len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == device:
                return max(int(fields[4]), 0)
    return 0
