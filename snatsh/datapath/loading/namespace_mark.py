# SPDX-License-Identifier: Apache-2.0
"""The network namespace that the datapath is attached in, kept beside its pins.

As with the commit (`commit_mark`), the name of an empty folder says it: `namespace-INODE`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_PREFIX = "namespace-"


def own() -> int:
    """Return the inode of the network namespace of this thread."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def read(pins: Path) -> int | None:
    """Return the inode of the namespace; None without a mark, as older versions left it."""
    numbers = (path.name.removeprefix(_PREFIX) for path in _marks(pins))
    return next((int(number) for number in numbers if number.isascii() and number.isdigit()), None)


def put(pins: Path) -> None:
    """Mark the pins with the namespace of this thread. OSError."""
    wanted = f"{_PREFIX}{own()}"
    old = [path for path in _marks(pins) if path.name != wanted]
    (pins / wanted).mkdir(mode=0o700, exist_ok=True)
    for path in old:
        path.rmdir()


def clear(pins: Path) -> None:
    for path in _marks(pins):
        with suppress(OSError):
            path.rmdir()


def _marks(pins: Path) -> list[Path]:
    return sorted(path for path in pins.glob(f"{_PREFIX}*") if path.is_dir())
