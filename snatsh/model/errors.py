# SPDX-License-Identifier: Apache-2.0
"""Errors an operator can act on. Each says what is wrong, where, and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a profile.

    path: the tokens of the statement as in set form, without `set` and the value.
    value: the offending value as text, empty when one is missing.
    reason: a lower-case clause that says what is wrong and what was expected.
    line: of the text it was read from, 1-based; 0 without a text.
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
    """Base of all errors that snatsh raises on purpose."""


class ProfileError(SnatshError):
    """A profile or a part of one is invalid; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


class StatementError(SnatshError):
    """A statement is invalid. index: of the offending token, 0-based, `set` or `delete` not counted.

    names_expected: the message says what was expected in the words of `expected`, or some of them.
    problem: the same as a problem, for texts of many statements.
    """

    def __init__(
        self,
        message: str,
        index: int,
        expected: tuple[str, ...] = (),
        problem: Problem | None = None,
        *,
        names_expected: bool = False,
    ) -> None:
        super().__init__(message)
        self.index = index
        self.expected = expected
        self.names_expected = names_expected
        self.problem = problem or Problem((), "", message)


class FormError(SnatshError):
    """A text can't be parsed. Line and column are 1-based, 0 when unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {message}" if line else message)
        self.line = line
        self.column = column
