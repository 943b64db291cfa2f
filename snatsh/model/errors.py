# SPDX-License-Identifier: Apache-2.0
"""Exceptions an operator can act on. Every one says what, where and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a profile.

    path: the tokens of the statement, as in set form, without `set` and without the value.
    value: the offending value as text, empty where something is missing.
    reason: one sentence fragment, lower case, that says what was expected.
    line: where in the text it was read from, 1-based; 0 where there is no text.
    """

    path: Path
    value: str
    reason: str
    severity: Literal["error", "warning"] = "error"
    line: int = 0

    def __str__(self) -> str:
        where = " ".join(self.path) or "profile"
        what = f"{where}: {self.value}: {self.reason}" if self.value else f"{where}: {self.reason}"
        return f"line {self.line}: {what}" if self.line else what


class SnatshError(Exception):
    """Root of everything this project raises on purpose."""


class ProfileError(SnatshError):
    """A profile, or a part of one, is not acceptable; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class StatementError(SnatshError):
    """One statement is wrong. `index` is the offending token (0-based, `set`/`delete` not counted).

    problem: the same as a finding, for texts of many statements.
    """

    def __init__(
        self, message: str, index: int, expected: tuple[str, ...] = (), problem: Problem | None = None
    ) -> None:
        super().__init__(message)
        self.index = index
        self.expected = expected
        self.problem = problem or Problem((), "", message)


class FormError(SnatshError):
    """A text (YAML, set or curly form) can't be read; `line` and `column` are 1-based, 0 = unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {message}" if line else message)
        self.line = line
        self.column = column
