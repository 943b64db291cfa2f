# SPDX-License-Identifier: Apache-2.0
"""Refusals: the one form of every answer whose status is 400 or above."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from snatsh.api.codec import Model
from snatsh.api.commits import ProblemRow


class ErrorDetails(Model, frozen=True, omit_defaults=False):
    """statement, index: the statement and the token of it that is wrong. expected: what fits there.

    names_expected: the message already says so.
    """

    message: str
    problems: list[ProblemRow] = []
    index: int | None = None
    expected: list[str] = []
    statement: int | UnsetType = UNSET
    names_expected: bool = False


class ErrorAnswer(Model, frozen=True):
    error: ErrorDetails
