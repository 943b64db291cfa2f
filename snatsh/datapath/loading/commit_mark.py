# SPDX-License-Identifier: Apache-2.0
"""Which commit the datapath runs, kept beside its pins.

A bpffs holds no files, so the name of an empty folder says it: `commit-SERIAL-DIGEST`, changed by one rename.
`commit-any` stands for a datapath that the next start may replace, whatever its state folder has.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "commit-"


@dataclass(frozen=True, slots=True)
class CommitMark:
    """serial, digest: of the entry of the history. serial 0: any may run."""

    serial: int
    digest: str

    @property
    def name(self) -> str:
        return f"{_PREFIX}{self.serial}-{self.digest}" if self.serial else f"{_PREFIX}any"


ANY = CommitMark(0, "")


def read(pins: Path) -> CommitMark | None:
    """Return the mark; None without one, as 0.2.0 and older left it."""
    return next((_parse(path.name) for path in _marks(pins)), None)


def put(pins: Path, mark: CommitMark) -> None:
    """Replace the mark. OSError."""
    old = next(iter(_marks(pins)), None)
    if old is None:
        (pins / mark.name).mkdir(mode=0o700)
    elif old.name != mark.name:
        old.rename(pins / mark.name)


def clear(pins: Path) -> None:
    for path in _marks(pins):
        with suppress(OSError):
            path.rmdir()


def _marks(pins: Path) -> list[Path]:
    return sorted(path for path in pins.glob(f"{_PREFIX}*") if path.is_dir())


def _parse(name: str) -> CommitMark:
    serial, _, digest = name.removeprefix(_PREFIX).partition("-")
    return CommitMark(int(serial), digest) if serial.isascii() and serial.isdigit() else ANY
