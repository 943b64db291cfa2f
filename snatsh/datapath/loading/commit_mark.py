# SPDX-License-Identifier: Apache-2.0
"""Which commit the datapath runs, kept beside its pins.

A mark `commit-SERIAL-DIGEST` (folder_mark.py), changed by one rename. `commit-any` stands for a datapath that
the next start may replace, whatever its state folder has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snatsh.datapath.loading import folder_mark

_PREFIX = "commit-"


@dataclass(frozen=True, slots=True)
class CommitMark:
    """serial, digest: of the entry of the history. serial 0: any may run."""

    serial: int
    digest: str

    def __str__(self) -> str:
        return f"{self.serial}-{self.digest}" if self.serial else "any"


ANY = CommitMark(0, "")


def read(pins: Path) -> CommitMark | None:
    """Return the mark; None without one, as 0.2.0 and older left it."""
    return next((_parse(value) for value in folder_mark.read(pins, _PREFIX)), None)


def put(pins: Path, mark: CommitMark) -> None:
    """Replace the mark. OSError."""
    folder_mark.put(pins, _PREFIX, str(mark))


def clear(pins: Path) -> None:
    folder_mark.clear(pins, _PREFIX)


def _parse(value: str) -> CommitMark:
    serial, _, digest = value.partition("-")
    return CommitMark(int(serial), digest) if serial.isascii() and serial.isdigit() else ANY
