# SPDX-License-Identifier: Apache-2.0
"""Sweeps what expired, and looks at the pools while it is at it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from snatsh.engine.pools.events import PoolEvents
from snatsh.engine.pools.usage import pool_uses

if TYPE_CHECKING:
    from snatsh.engine.engine import Engine

log = logging.getLogger(__name__)

SECONDS = 1.0
SHARE = 0.05
"""Of one CPU, at the most: large tables are swept less often. No lookup takes an expired entry for live."""


class Ager:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pools = PoolEvents()
        self._told = ""

    async def run(self) -> None:
        pause = SECONDS
        while True:
            await asyncio.sleep(pause)
            taken = await self._tell_failure()
            pause = max(SECONDS, taken / SHARE)

    async def _tell_failure(self) -> float:
        """One turn; what keeps failing is told once."""
        try:
            taken = await self._engine.live.snapshots.in_turn(self._sweep)
            await self._look_at_pools()
            self._told = ""
        except Exception as error:
            if str(error) != self._told:
                log.error("sweeping expired flows: %s", error)
            self._told = str(error)
            return 0.0
        return taken

    def _sweep(self) -> float:
        """The CPU seconds it took."""
        begun = time.thread_time()
        self._engine.datapath.age()
        return time.thread_time() - begun

    async def _look_at_pools(self) -> None:
        image = self._engine.running.image
        usage = await asyncio.to_thread(self._engine.datapath.address_usage)
        for event in self._pools.look(pool_uses(image, usage)):
            log.warning("%s", event)
            self._engine.notices.post(event)
