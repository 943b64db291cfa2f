# SPDX-License-Identifier: Apache-2.0
"""Open a program that only root can have put where it is, so that what was checked is what runs."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import PurePosixPath

from snatsh.engine.errors import EngineError
from snatsh.engine.storage.trusted_file import WRITABLE_BY_OTHERS

_MOST_LINKS = 40
"""As many symbolic links as the kernel follows in a path."""


class NotTrusted(EngineError):
    """The program must not run: others than root could have changed it."""


def open_program(path: str, own: int) -> int:
    """Return a descriptor (O_PATH) of an executable file. own: uid that may own it besides root.

    Each component is opened below the one before it and checked on its descriptor, symbolic links too, so
    that nothing can be exchanged in between.
    """
    if not path.startswith("/"):
        raise NotTrusted("not an absolute path")
    waiting, links = deque(_names(path)), 0
    current = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        _check(current, "/", own)
        while waiting:
            name = waiting.popleft()
            found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
            if stat.S_ISLNK(os.fstat(found).st_mode):
                links += 1
                target = os.readlink("", dir_fd=found)
                os.close(found)
                if links > _MOST_LINKS:
                    raise NotTrusted("too many symbolic links")
                waiting.extendleft(reversed(_names(target)))
                found = os.open(
                    "/" if target.startswith("/") else ".", os.O_PATH | os.O_CLOEXEC, dir_fd=current
                )
            os.close(current)
            current = found
            _check(current, name, own)
        if not stat.S_ISREG(os.fstat(current).st_mode) or not os.fstat(current).st_mode & 0o111:
            raise NotTrusted("not an executable file")
    except OSError as error:
        os.close(current)
        raise NotTrusted(error.strerror or "not found") from None
    except NotTrusted:
        os.close(current)
        raise
    return current


def _names(path: str) -> list[str]:
    return [name for name in PurePosixPath(path).parts if name != "/"]


def _check(descriptor: int, name: str, own: int) -> None:
    found = os.fstat(descriptor)
    if found.st_uid not in (0, own) or found.st_mode & WRITABLE_BY_OTHERS:
        what = "the folder " if stat.S_ISDIR(found.st_mode) else ""
        raise NotTrusted(
            f"{what}{name} is writable by others than root; expected mode 755 or less, owned by root"
        )
