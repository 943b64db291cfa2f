# SPDX-License-Identifier: Apache-2.0
"""The Unix socket that consoles connect to."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path

from snatsh.daemon.roles import VIEW_GROUP, group_id
from snatsh.model.errors import SnatshError

_BACKLOG = 1024
_LONGEST = 107
_CONNECT_SECONDS = 2.0


class ListenError(SnatshError):
    """The socket cannot be created."""


class Listener:
    """A listening socket at `path`, open to root and, if it exists, to the group snatsh."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if len(os.fsencode(path)) > _LONGEST:
            raise ListenError(f"socket {path}: the path is too long; expected {_LONGEST} bytes at most")
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _clear(path)
            self.socket = _bind(path)
            self._identity = _identity(path)
        except OSError as error:
            raise ListenError(f"socket {path}: {error.strerror or error}") from None

    def close(self) -> None:
        """Stop listening and remove the socket file, unless another socket has replaced it."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if _identity(self.path) == self._identity:
                self.path.unlink()


def _clear(path: Path) -> None:
    """Remove a stale socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"socket {path}: the file is not a socket; expected no file, or a stale socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        except (TimeoutError, BlockingIOError):
            raise ListenError(f"socket {path}: another snatd holds it and does not answer") from None
        else:
            raise ListenError(f"socket {path}: another snatd answers; stop it, or use another --socket")


def _bind(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(os.fspath(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    group = group_id(VIEW_GROUP)
    if group is not None:
        os.chown(path, -1, group)
        path.chmod(0o660)
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
