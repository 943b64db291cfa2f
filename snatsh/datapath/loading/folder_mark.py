# SPDX-License-Identifier: Apache-2.0
"""Marks beside the pins: a bpffs keeps no files, so the name of an empty folder says it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def read(pins: Path, prefix: str) -> list[str]:
    """Return what follows the prefix in the names of the marks."""
    return [path.name.removeprefix(prefix) for path in _marks(pins, prefix)]


def put(pins: Path, prefix: str, value: str) -> None:
    """Replace the mark. OSError."""
    old, new = next(iter(_marks(pins, prefix)), None), pins / f"{prefix}{value}"
    if old is None:
        new.mkdir(mode=0o700)
    elif old != new:
        old.rename(new)


def clear(pins: Path, prefix: str) -> None:
    for path in _marks(pins, prefix):
        with suppress(OSError):
            path.rmdir()


def _marks(pins: Path, prefix: str) -> list[Path]:
    return sorted(path for path in pins.glob(f"{prefix}*") if path.is_dir())
