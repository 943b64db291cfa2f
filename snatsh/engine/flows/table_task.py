# SPDX-License-Identifier: Apache-2.0
"""Work on the whole flow table in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from snatsh.engine.failure_log import FailureLog
from snatsh.engine.flows.snapshot import Snapshots

log = logging.getLogger(__name__)

SHARE = 0.05
"""Of one CPU, at most: the larger the table, the less often."""


class TableTask:
    """what: for the log, as in `sweeping expired flows`. after: awaited after each turn of `work`."""

    def __init__(
        self,
        what: str,
        work: Callable[[], object],
        snapshots: Snapshots,
        seconds: float,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._what = what
        self._work = work
        self._snapshots = snapshots
        self._seconds = seconds
        self._after = after
        self._failures = FailureLog(log)

    async def run(self) -> None:
        """Work at once, then every so many seconds."""
        while True:
            await asyncio.sleep(max(self._seconds, await self._turn() / SHARE))

    async def _turn(self) -> float:
        """Work once. Return the CPU seconds it took."""
        try:
            taken = await self._snapshots.in_turn(self._timed)
            if self._after is not None:
                await self._after()
        except Exception as error:
            self._failures.failed(f"{self._what}: {error}")
            return 0.0
        self._failures.succeeded()
        return taken

    def _timed(self) -> float:
        begun = time.thread_time()
        self._work()
        return time.thread_time() - begun
