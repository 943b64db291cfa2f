# SPDX-License-Identifier: Apache-2.0
"""Read files that decide what the gateway runs: regular ones that only snatd's user can have written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from snatsh.engine.errors import StoreError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # not waiting for the writer of a pipe
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def read(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes. OSError, or ValueError says what is wrong with it."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("is a symbolic link; expected a regular file") from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is no regular file")
        if fault := _fault(status):
            raise ValueError(fault)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise ValueError(f"is longer than {limit} bytes")
    return content


def require_own(paths: Iterable[Path]) -> None:
    """Refuse files and folders that another user could change. StoreError names the first."""
    for path in paths:
        try:
            status = path.lstat() if not path.is_dir() else path.stat()
        except FileNotFoundError:
            continue
        if not stat.S_ISLNK(status.st_mode) and (fault := _fault(status)):
            raise StoreError(f"{path}: {fault}, so that nobody else decides what the gateway runs")


def _fault(status: os.stat_result) -> str:
    own = os.geteuid()
    if status.st_uid != own:
        return f"belongs to uid {status.st_uid}; expected uid {own} (chown)"
    if status.st_mode & WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        return f"has mode {mode:04o}; expected one that only its owner may write (chmod go-w)"
    return ""
