# SPDX-License-Identifier: Apache-2.0
"""The network namespace that the datapath is attached in, kept beside its pins.

As `namespace-INODE`, a mark like that of the commit (`commit_mark`).
"""

from __future__ import annotations

from pathlib import Path

from snatsh.datapath.loading import folder_mark

_PREFIX = "namespace-"


def own() -> int:
    """Return the inode of the network namespace of this thread."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def read(pins: Path) -> int | None:
    """Return the inode of the namespace; None without a mark, as older versions left it."""
    numbers = folder_mark.read(pins, _PREFIX)
    return next((int(number) for number in numbers if number.isascii() and number.isdigit()), None)


def put(pins: Path) -> None:
    """Mark the pins with the namespace of this thread. OSError."""
    folder_mark.put(pins, _PREFIX, str(own()))


def clear(pins: Path) -> None:
    folder_mark.clear(pins, _PREFIX)
