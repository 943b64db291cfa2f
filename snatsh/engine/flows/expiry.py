# SPDX-License-Identifier: Apache-2.0
"""Sweep expired flows in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from snatsh.engine.failure_log import FailureLog
from snatsh.engine.flows.snapshot import Snapshots

log = logging.getLogger(__name__)

SECONDS = 1.0
SHARE = 0.05
"""Of one CPU, at most: large tables are swept less often. Lookups ignore expired entries in any case."""


class Ager:
    """sweep: ends what has expired. after: awaited after each sweep."""

    def __init__(
        self, sweep: Callable[[], object], snapshots: Snapshots, after: Callable[[], Awaitable[None]]
    ) -> None:
        self._sweep = sweep
        self._snapshots = snapshots
        self._after = after
        self._failures = FailureLog(log)

    async def run(self) -> None:
        """Sweep at once: the gauges count what has expired since another snatd ran."""
        while True:
            await asyncio.sleep(max(SECONDS, await self._turn() / SHARE))

    async def _turn(self) -> float:
        """Sweep once. Return the CPU seconds it took."""
        try:
            taken = await self._snapshots.in_turn(self._timed_sweep)
            await self._after()
        except Exception as error:
            self._failures.failed(f"sweeping expired flows: {error}")
            return 0.0
        self._failures.succeeded()
        return taken

    def _timed_sweep(self) -> float:
        begun = time.thread_time()
        self._sweep()
        return time.thread_time() - begun
