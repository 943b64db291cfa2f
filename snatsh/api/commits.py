# SPDX-License-Identifier: Apache-2.0
"""Commits: results, history, and those that wait."""

from __future__ import annotations

from typing import Literal

from snatsh.api.codec import Model
from snatsh.model.document.types import Document

Severity = Literal["error", "warning"]
EffectKind = Literal[
    "flows-ended", "announced", "withdrawn", "uncovered", "link-unused", "ports-per-subscriber"
]


class ProblemRow(Model, frozen=True):
    path: list[str]
    value: str
    reason: str
    severity: Severity


class CommitStep(Model, frozen=True):
    """What was done, and how long it took."""

    doing: str
    milliseconds: float


class EffectRow(Model, frozen=True):
    """What a commit would do. subject: a pool, addresses, or a link. text: a clause for people."""

    kind: EffectKind
    subject: str
    count: int
    text: str


class CommitResult(Model, frozen=True):
    """scheduled: the time that the commit waits for; empty for one that was carried out.

    impact: of a check, what the commit would do to the traffic of now.
    """

    number: int
    warnings: list[ProblemRow]
    ended_flows: int
    milliseconds: float
    steps: list[CommitStep]
    scheduled: str
    impact: list[EffectRow] = []


class PendingCommit(Model, frozen=True):
    """A commit that has to be confirmed. seconds: left until it is rolled back.

    others: other users whose commits it covers.
    """

    user: str
    comment: str
    minutes: int
    deadline: str
    seconds: float
    others: list[str] = []

    @property
    def by(self) -> str:
        """The users, in words."""
        return " and ".join([*self.others, self.user])


class ScheduledCommit(Model, frozen=True):
    user: str
    at: str
    comment: str | None


class Unscheduled(Model, frozen=True):
    """The scheduled commit that was removed."""

    user: str
    at: str


class WaitingCommits(Model, frozen=True):
    """The commit that has to be confirmed, and the one that waits for its time."""

    pending: PendingCommit | None
    scheduled: ScheduledCommit | None


class HistoryEntry(Model, frozen=True):
    number: int
    time: str
    user: str
    method: str
    comment: str | None


class CommittedEntry(HistoryEntry, frozen=True):
    document: Document


class History(Model, frozen=True):
    entries: list[HistoryEntry]
    pending: PendingCommit | None
    scheduled: ScheduledCommit | None


class RescueSaved(Model, frozen=True):
    """Whether there is a rescue configuration now."""

    saved: bool


class CommitNumber(Model, frozen=True):
    number: int
