# SPDX-License-Identifier: Apache-2.0
"""Keeps promises about time: returns what was not confirmed, commits what was scheduled, warns before."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from snatsh.engine.config.confirm import WARNINGS, Pending
from snatsh.engine.errors import CommitInProgress

if TYPE_CHECKING:
    from snatsh.engine.engine import Engine

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
NOT_CONFIRMED = "it was not confirmed in time"


class Timekeeper:
    """Looks at the clock a few times a second; what fails is tried again at the next look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told = ""
        self._warned: tuple[Pending, float] | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.tick()

    async def tick(self) -> None:
        try:
            await self._look()
            self._told = ""
        except CommitInProgress:
            pass
        except Exception as error:
            if str(error) != self._told:
                log.error("the commit that was not confirmed can't be rolled back yet: %s", error)
            self._told = str(error)

    async def _look(self) -> None:
        pending = self._engine.confirmation.pending
        if pending is not None and not self._engine.busy:
            if pending.seconds <= 0:
                await self._engine.return_to_confirmed("root", NOT_CONFIRMED)
            else:
                self._warn(pending)
        waiting = self._engine.schedule.waiting
        if waiting is not None and waiting.is_due and not self._engine.busy:
            await self._engine.commit_scheduled()

    def _warn(self, pending: Pending) -> None:
        """Once for each threshold that the time left goes below."""
        left = pending.seconds
        crossed = [seconds for seconds in WARNINGS if left <= seconds < 60 * pending.minutes]
        if not crossed or self._warned == (pending, crossed[-1]):
            return
        self._warned = (pending, crossed[-1])
        minutes = crossed[-1] // 60
        self._engine.notices.post(
            f"commit by {pending.user} will be rolled back in {minutes} minute{'' if minutes == 1 else 's'} "
            "unless confirmed"
        )
