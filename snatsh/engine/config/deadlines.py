# SPDX-License-Identifier: Apache-2.0
"""Deadlines of commits: roll back what was not confirmed, run what was scheduled, warn before."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from snatsh.engine.config.confirm import WARNINGS, UnconfirmedCommit, rollback_notice
from snatsh.engine.config.schedule import DeferredCommit
from snatsh.engine.errors import CommitInProgress
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.notices import Notices

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
NOT_CONFIRMED = "it was not confirmed in time"


class TimedCommits(Protocol):
    """The commits that have a deadline."""

    @property
    def busy(self) -> bool: ...

    @property
    def pending(self) -> UnconfirmedCommit | None: ...

    @property
    def scheduled(self) -> DeferredCommit | None: ...

    async def roll_back_pending(self, user: str, reason: str) -> None: ...

    async def commit_scheduled(self) -> None: ...


class Timekeeper:
    """Checks the clock several times a second; a failed action is retried at the next tick."""

    def __init__(self, commits: TimedCommits, notices: Notices) -> None:
        self._commits = commits
        self._notices = notices
        self._failures = FailureLog(log)
        self._warned: tuple[UnconfirmedCommit, float] | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.tick()

    async def tick(self) -> None:
        try:
            await self._act()
            self._failures.succeeded()
        except CommitInProgress:
            pass
        except Exception as error:
            self._failures.failed(f"the unconfirmed commit cannot be rolled back yet: {error}")

    async def _act(self) -> None:
        pending = self._commits.pending
        if pending is not None and not self._commits.busy:
            if pending.seconds <= 0:
                await self._commits.roll_back_pending("root", NOT_CONFIRMED)
            else:
                self._warn(pending)
        scheduled = self._commits.scheduled
        # A pending commit left by an older release: one on schedule must not confirm it.
        waits = self._commits.busy or self._commits.pending is not None
        if scheduled is not None and scheduled.is_due and not waits:
            await self._commits.commit_scheduled()

    def _warn(self, pending: UnconfirmedCommit) -> None:
        """Warn once for each threshold that the time left falls below."""
        left = pending.seconds
        crossed = [seconds for seconds in WARNINGS if left <= seconds < 60 * pending.commit.minutes]
        if not crossed or self._warned == (pending, crossed[-1]):
            return
        self._warned = (pending, crossed[-1])
        self._notices.post("commit", rollback_notice(pending.by, int(crossed[-1]) // 60))
