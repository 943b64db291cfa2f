# SPDX-License-Identifier: Apache-2.0
"""Commits as operators request them: now, confirmed, or scheduled."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from snatsh.api.commits import PendingCommit, ScheduledCommit, WaitingCommits
from snatsh.engine.box.inspection import survey
from snatsh.engine.config.candidate import Candidate
from snatsh.engine.config.commit import Committed, Committer
from snatsh.engine.config.confirm import (
    Confirmation,
    NothingPending,
    Unconfirmed,
    UnconfirmedCommit,
    WouldConfirmOthers,
    confirmed_method,
    rollback_notice,
)
from snatsh.engine.config.edit_sessions import EditSessions
from snatsh.engine.config.history import Metadata, Store
from snatsh.engine.config.impact import Effect, Flows, assess
from snatsh.engine.config.schedule import DeferredCommit, Schedule, boot_id, parse_time
from snatsh.engine.config.transaction import TimedStep
from snatsh.engine.errors import CommitInProgress, Conflict
from snatsh.engine.notices import Notices
from snatsh.engine.storage.json_record import Record
from snatsh.engine.worker import ChangeWorker
from snatsh.model.changes.merge import conflicts, merge
from snatsh.model.document.document import Document
from snatsh.model.errors import Problem, SnatshError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """confirmed: minutes to confirm within. at: time of a scheduled commit.

    and_confirm: it may confirm the pending commit of another user.
    """

    user: str
    method: str
    comment: str | None = None
    check: bool = False
    confirmed: int | None = None
    at: str | None = None
    and_confirm: bool = False

    @property
    def metadata(self) -> Metadata:
        method = confirmed_method(self.method, self.confirmed) if self.confirmed else self.method
        return Metadata.now(self.user, method, self.comment)


@dataclass(frozen=True, slots=True)
class CommitOutcome:
    """scheduled: when the commit will run, empty if it is running already."""

    number: int
    warnings: tuple[Problem, ...]
    ended_flows: int
    milliseconds: float
    steps: tuple[TimedStep, ...]
    scheduled: str = ""
    impact: tuple[Effect, ...] = ()


WithTable = Callable[[Callable[[Flows], tuple[Effect, ...]]], Awaitable[tuple[Effect, ...]]]
"""Runs some work on a copy of the flow table, in a thread."""


class CommitService:
    """Runs one commit at a time. switched: called after every switch of the datapath.

    with_table: assesses the impact on flows outside of the worker, which failover needs.
    """

    def __init__(
        self,
        committer: Committer,
        store: Store,
        sessions: EditSessions,
        worker: ChangeWorker,
        notices: Notices,
        switched: Callable[[], Awaitable[None]],
        with_table: WithTable,
    ) -> None:
        self._committer = committer
        self._store = store
        self._sessions = sessions
        self._worker = worker
        self._notices = notices
        self._switched = switched
        self._with_table = with_table
        self._confirmation = Confirmation(store.folder)
        self._schedule = Schedule(store.folder)
        self._committing = False

    def load(self) -> None:
        """Take over the pending and the scheduled commit of an earlier snatd."""
        self._confirmation.load(self._store)
        self._schedule.load()

    @property
    def records(self) -> tuple[Record[Any], ...]:
        """What is kept of them on disk."""
        return self._confirmation.record, self._schedule.record

    @property
    def busy(self) -> bool:
        """Whether a commit is running."""
        return self._committing

    @property
    def pending(self) -> UnconfirmedCommit | None:
        """The commit that is pending: rolled back unless confirmed."""
        return self._confirmation.pending

    @property
    def scheduled(self) -> DeferredCommit | None:
        """The commit that waits for its time."""
        return self._schedule.waiting

    def waiting(self) -> WaitingCommits:
        """The pending and the scheduled commit, for the API."""
        pending, scheduled = self.pending, self.scheduled
        return WaitingCommits(
            pending=_pending_row(pending) if pending else None,
            scheduled=ScheduledCommit(scheduled.user, scheduled.when, scheduled.comment)
            if scheduled
            else None,
        )

    async def commit(self, request: CommitRequest, pid: int = 0) -> CommitOutcome:
        """Run the candidate of a process. CommitInProgress while another commit is running."""
        self._sessions.require_free(pid)
        candidate = self._sessions.candidate(pid)
        if not request.check:
            self._schedule.require_free()
        with self._alone():
            self._require_permission(request)
            confirms = self.pending
            # No other commit intervenes: the candidate is merged into what is running now.
            snapshot = candidate.document
            document = self._merged(candidate)
            if request.check or request.at:
                return await self._check(document, request)
            result = await self._commit(document, request.metadata, request.confirmed)
            async with self._sessions.editing:
                running = self._committer.current.document
                candidate.committed(running, followed=candidate.document is snapshot)
                self._sessions.follow(running, source=candidate)
        if request.confirmed and self.pending:
            self._notices.post("commit", rollback_notice(self.pending.by, request.confirmed))
        elif confirms:
            self._notices.post("commit", f"commit by {confirms.by} was confirmed by {request.user}")
        return result

    def _require_permission(self, request: CommitRequest) -> None:
        """Refuse to confirm the commit of another user unless the request says so."""
        pending = self.pending
        if pending is None or request.check:
            return
        if request.at:
            raise Unconfirmed(pending)
        if not (request.confirmed or request.and_confirm or pending.is_of(request.user)):
            raise WouldConfirmOthers(pending)

    async def roll_back_pending(self, user: str, reason: str) -> None:
        """Return to the configuration before the commit that was not confirmed."""
        pending = self.pending
        if pending is None:
            raise NothingPending
        with self._alone():
            await self._commit(pending.commit.document, Metadata.now(user, "other", reason), again=True)
            await self._update_candidates()
        self._notices.post("commit", f"commit by {pending.by} was rolled back: {reason}")

    async def commit_scheduled(self) -> None:
        """Run the scheduled commit. It is removed from the schedule even if it fails."""
        waiting = self._schedule.take()
        if waiting is None:
            return
        try:
            with self._alone():
                metadata = Metadata.now(waiting.user, waiting.method, waiting.comment)
                await self._commit(waiting.document, metadata)
                await self._update_candidates()
        except SnatshError as error:
            log.error("scheduled commit by %s: %s", waiting.user, error)
            self._notices.post("commit", f"scheduled commit by {waiting.user} failed: {error}")
        else:
            self._notices.post("commit", f"scheduled commit by {waiting.user} complete")

    def unschedule(self) -> DeferredCommit:
        """Remove the scheduled commit."""
        waiting = self._schedule.take()
        if waiting is None:
            raise NothingPending
        return waiting

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._committing:
            raise CommitInProgress
        self._committing = True
        try:
            yield
        finally:
            self._committing = False

    def _merged(self, candidate: Candidate) -> Document:
        """Merge a private candidate with commits made since it began. Conflict."""
        if candidate is self._sessions.shared:
            return candidate.document
        running = self._committer.current.document
        if found := conflicts(candidate.base, candidate.document, running):
            raise Conflict(found)
        return merge(candidate.base, candidate.document, running)

    async def _check(self, document: Document, request: CommitRequest) -> CommitOutcome:
        started = time.monotonic()
        at = parse_time(request.at) if request.at else None
        plan, done = await self._worker.run(lambda: self._committer.check(document, survey()))
        before = self._committer.current.profile
        impact = await self._with_table(lambda flows: assess(before, plan.profile, plan.facts, flows))
        scheduled = ""
        if request.at and not request.check:
            waiting = DeferredCommit(request.user, request.method, request.comment, at, boot_id(), document)
            self._schedule.put(waiting)
            scheduled = waiting.when
        return _result(done, started, scheduled, self._confirms(request), impact)

    def _confirms(self, request: CommitRequest) -> tuple[Problem, ...]:
        """Warn of the commit of another user that a commit would confirm."""
        pending = self.pending
        if pending is None or pending.is_of(request.user):
            return ()
        reason = f"confirms the commit by {pending.by}, which is pending; needs and-confirm"
        return (Problem((), "commit", reason, "warning"),)

    async def _commit(
        self, document: Document, metadata: Metadata, minutes: int | None = None, *, again: bool = False
    ) -> CommitOutcome:
        started = time.monotonic()

        def commit() -> Committed:
            return self._committer.commit(document, survey(), metadata, again=again)

        def guarded() -> Committed:
            if minutes is not None:
                serial, before = self._store.last_serial + 1, self._committer.current.document
                return self._confirmation.guard(minutes, metadata, serial, before, commit)
            done = commit()
            self._confirmation.settle()
            return done

        done = await self._worker.run(guarded)
        await self._switched()
        return _result(done, started)

    async def _update_candidates(self) -> None:
        async with self._sessions.editing:
            self._sessions.follow(self._committer.current.document)


def _result(
    done: Committed,
    started: float,
    scheduled: str = "",
    also: tuple[Problem, ...] = (),
    impact: tuple[Effect, ...] = (),
) -> CommitOutcome:
    milliseconds = (time.monotonic() - started) * 1000
    return CommitOutcome(
        0, (*done.warnings, *also), done.ended_flows, milliseconds, done.steps, scheduled, impact
    )


def _pending_row(pending: UnconfirmedCommit) -> PendingCommit:
    commit = pending.commit
    return PendingCommit(
        user=commit.user,
        comment=commit.comment,
        minutes=commit.minutes,
        deadline=commit.deadline.isoformat(timespec="seconds"),
        seconds=round(pending.seconds, 1),
        others=list(commit.others),
    )
