# SPDX-License-Identifier: Apache-2.0
"""What passes between a session and a front end."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Terminal(Protocol):
    """Where a command asks back."""

    def ask(self, question: str) -> str:
        """One line of answer; empty at the end of the input."""

    def read_block(self, notice: str) -> str:
        """Lines up to ^D."""

    def released(self) -> AbstractContextManager[None]:
        """While it lasts, the terminal is as it was before us, for another program."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a line came to. text is ready for the terminal; column: where the caret goes, on a bad line.

    held: stay at the end of it. refresh: seconds after which it is to be run again, 0 for never.
    streams: each run goes on where the one before ended. kind: what colours suit it, see `paint`.
    """

    text: str = ""
    failed: bool = False
    column: int | None = None
    paged: bool = False
    held: bool = False
    refresh: float = 0
    streams: bool = False
    kind: str = ""

    @property
    def status(self) -> int:
        return 1 if self.failed else 0


@dataclass(frozen=True, slots=True)
class PromptText:
    """banner: the line before, empty outside configuration mode."""

    banner: str
    text: str

    def __str__(self) -> str:
        return f"{self.banner}\n{self.text}" if self.banner else self.text
