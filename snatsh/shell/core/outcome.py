# SPDX-License-Identifier: Apache-2.0
"""What passes between a session and a front end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Terminal(Protocol):
    """Where a command asks back."""

    def ask(self, question: str) -> str:
        """One line of answer; empty at the end of the input."""

    def confirm(self, question: str, default: bool) -> bool:
        """Yes or no."""

    def read_block(self, notice: str) -> str:
        """Lines up to ^D."""

    def released(self) -> AbstractContextManager[None]:
        """While it lasts, the terminal is as it was before us, for another program."""


class LineTerminal(ABC):
    """A terminal on which yes and no are typed, as a line."""

    @abstractmethod
    def ask(self, question: str) -> str: ...

    def confirm(self, question: str, default: bool) -> bool:
        """Ask until the answer is yes or no; Enter and the end of the input mean the default."""
        while True:
            answer = self.ask(f"{question} [yes,no] ({'yes' if default else 'no'}) ").strip().lower()
            if not answer:
                return default
            for word in ("yes", "no"):
                if word.startswith(answer):
                    return word == "yes"


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
