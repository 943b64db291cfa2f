# SPDX-License-Identifier: Apache-2.0
"""Write files that only root may read, durably, and replace them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

_MODE = 0o600
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # not waiting for the reader of a pipe


def write(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a file in place. With sync, the content is on disk when this returns."""
    _write(path, content, os.O_TRUNC, sync=sync)


def append(path: Path, content: bytes) -> None:
    """Append to a file, without waiting for the disk."""
    _write(path, content, os.O_APPEND, sync=False)


def replace(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace a file: readers see the old content or the new one, also after a crash with sync."""
    temporary = path.with_name(f".{path.name}.new")
    _write(temporary, content, os.O_TRUNC | os.O_NOFOLLOW, sync=sync)
    temporary.rename(path)
    if sync:
        sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, durably."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, flags: int, *, sync: bool) -> None:
    descriptor = os.open(path, _FLAGS | flags, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(descriptor)
