# SPDX-License-Identifier: Apache-2.0
"""Pools for consoles: their usage now, over time, and notices when one runs full."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from snatsh.api.pools import LivePool, PoolRow
from snatsh.engine.config.commit import Plan
from snatsh.engine.notices import Notices
from snatsh.engine.pools.drain import Orders
from snatsh.engine.pools.events import PoolEvents
from snatsh.engine.pools.rows import pool_rows
from snatsh.engine.pools.usage import Usage, pool_uses
from snatsh.engine.pools.watch import PoolWatch

log = logging.getLogger(__name__)

_LIVE_ADDRESSES = 256


class PoolService:
    """read: the gauges of all pool addresses now. shared: the same, read once for all consoles."""

    def __init__(
        self,
        read: Callable[[], Usage],
        shared: Callable[[], Usage],
        running: Callable[[], Plan],
        notices: Notices,
        drained: Callable[[], Orders],
    ) -> None:
        self._read = read
        self._shared = shared
        self._running = running
        self._notices = notices
        self._drained = drained
        self._events = PoolEvents()
        self.watch = PoolWatch(read, lambda: running().image)

    async def rows(self) -> list[PoolRow]:
        """List the pools with each address that was ever used."""
        plan = self._running()
        return await asyncio.to_thread(lambda: pool_rows(plan, self._read(), self._drained()))

    async def live(self) -> list[LivePool]:
        """List the pools with trend, heat map and fullest addresses."""
        return await asyncio.to_thread(lambda: self.watch.rows(self._shared(), most=_LIVE_ADDRESSES))

    async def post_events(self) -> None:
        """Log and post every pool that reached a fill level or fell below one."""
        image = self._running().image
        usage = await asyncio.to_thread(self._read)
        for event in self._events.look(pool_uses(image, usage)):
            log.warning("%s", event)
            self._notices.post("pool", event)
