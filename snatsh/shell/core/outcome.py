# SPDX-License-Identifier: Apache-2.0
"""Interface between session and front end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Terminal(Protocol):
    """Input for commands that ask. attended: whether someone is there to answer."""

    attended: bool

    def ask(self, question: str) -> str:
        """Return one line of input; empty at its end."""

    def confirm(self, question: str, default: bool) -> bool:
        """Ask a yes/no question."""

    def read_block(self, notice: str) -> str:
        """Return lines up to ^D."""

    def released(self) -> AbstractContextManager[None]:
        """Release the terminal to another program."""


class LineTerminal(ABC):
    """A terminal on which yes/no questions are answered by a line."""

    attended = True

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
    """Result of a line. text: ready for the terminal. column: of the caret under a bad token.

    held: wait for a key at the end. refresh: seconds until the command is repeated, 0 for never.
    streams: each run continues the previous one. kind: selects colours, see `paint`.
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
    """banner: the line above the prompt, empty outside configuration mode."""

    banner: str
    text: str

    def __str__(self) -> str:
        return f"{self.banner}\n{self.text}" if self.banner else self.text
