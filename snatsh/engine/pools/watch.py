# SPDX-License-Identifier: Apache-2.0
"""Pool usage over time: high-water marks and forecasts.

The gauges, a small map, are read every ten seconds even if no console asks: a high-water mark has to cover
all of the time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.api.pools import Active, AddressFill, HeatMap, LivePool
from snatsh.compile.image import Image, PoolImage
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.flows.query import address_text
from snatsh.engine.pools.usage import TOTALS, PoolUse, Usage, pool_uses, rows_of, use_of
from snatsh.model.vocabulary import PROTOCOLS

log = logging.getLogger(__name__)

WATCH_SECONDS = 10.0
CELLS = 512
"""Most cells of a heat map. In a larger pool, a cell is the fullest of several addresses."""

_TREND = 60  # readings that a forecast is based on: ten minutes
_FEWEST = 4
_FARTHEST = 86_400.0  # seconds; a forecast beyond is not reliable
_LEAST = 0.05  # share of a pool in use; below, there is no forecast


@dataclass
class PoolHistory:
    """peak, peak_at: the highest share and its time. used: readings of (monotonic time, ports in use)."""

    peak: float = 0.0
    peak_at: str = ""
    used: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_TREND))


def forecast(used: list[tuple[float, int]], room: int) -> int | None:
    """Return seconds until the pool is full, by the trend of the last minutes; None if it does not grow."""
    if len(used) < _FEWEST or not _LEAST * room <= used[-1][1] < room:
        return None
    at, counts = np.array([point[0] for point in used]), np.array([point[1] for point in used], dtype=float)
    at -= at[-1]
    spread = float(((at - at.mean()) ** 2).sum())
    slope = float(((at - at.mean()) * (counts - counts.mean())).sum()) / spread if spread else 0.0
    if slope <= 0:
        return None
    left = (room - counts[-1]) / slope
    return round(left) if left < _FARTHEST else None


class PoolWatch:
    """Keeps the history of each pool. read: returns the gauges. image: the running image."""

    def __init__(self, read: Callable[[], Usage], image: Callable[[], Image]) -> None:
        self._read = read
        self._image = image
        self._failures = FailureLog(log)
        self._histories: dict[str, PoolHistory] = {}

    async def run(self) -> None:
        while True:
            try:
                self.note(await asyncio.to_thread(self._read))
                self._failures.succeeded()
            except Exception as error:
                self._failures.failed(f"watching the pools: {error}")
            await asyncio.sleep(WATCH_SECONDS)

    def note(self, usage: Usage) -> None:
        """Record a reading of the gauges."""
        uses = pool_uses(self._image(), usage)
        for name in set(self._histories) - {use.name for use in uses}:
            del self._histories[name]
        for use in uses:
            self._mark(use).used.append((time.monotonic(), use.used))

    def _mark(self, use: PoolUse) -> PoolHistory:
        """Update the high-water mark of a pool and return its history."""
        history = self._histories.setdefault(use.name, PoolHistory())
        if use.share > history.peak:
            history.peak, history.peak_at = use.share, datetime.now(UTC).isoformat(timespec="seconds")
        return history

    def rows(self, usage: Usage, most: int) -> list[LivePool]:
        """List the pools. most: addresses to list of each, the fullest first."""
        return [self._row(pool, usage, most) for pool in self._image().pools]

    def _row(self, pool: PoolImage, usage: Usage, most: int) -> LivePool:
        use, rows, ports = use_of(pool, usage), rows_of(pool, usage), pool.ports.size
        history = self._mark(use)
        trend = [*history.used, (time.monotonic(), use.used)]
        by_address = np.maximum.reduce([rows[name] for name in PROTOCOLS])
        fullest = np.argsort(by_address, kind="stable")[::-1][:most]
        return LivePool(
            name=pool.name,
            addresses=pool.size,
            ports=str(pool.ports),
            room=use.room,
            used=use.used,
            fill=round(use.share, 4),
            active=Active(**use.active),
            peak=round(history.peak, 4),
            peak_at=history.peak_at,
            forecast=forecast(trend, use.room),
            created=use.created,
            exhausted=use.exhausted,
            heat=_heat(pool, rows["address"], by_address / ports if ports else by_address * 0.0),
            usage=[_address_row(rows[at], ports) for at in fullest],
        )


def _heat(pool: PoolImage, addresses: NDArray[Any], shares: NDArray[Any]) -> HeatMap:
    """Return a digit per cell: 0 for unused, else the usage of its fullest address in tenths, up to 9."""
    per_cell = -(-pool.size // CELLS) if pool.size else 1
    cells = np.zeros(-(-pool.size // per_cell), dtype=np.float64)
    start = 0
    for run in pool.runs:
        inside = (addresses >= int(run.first)) & (addresses <= int(run.last))
        places = (start + addresses[inside].astype(np.int64) - int(run.first)) // per_cell
        np.maximum.at(cells, places, shares[inside])
        start += run.size
    tenths = np.where(cells > 0, np.clip(np.ceil(cells * 10), 1, 9), 0).astype(int)
    return HeatMap(
        per_cell=per_cell,
        first=str(pool.runs[0].first) if pool.runs else "",
        cells="".join(map(str, tenths.tolist())),
    )


def _address_row(row: Any, ports: int) -> AddressFill:
    tcp, udp, icmp, created, exhausted = (int(row[name]) for name in (*PROTOCOLS, *TOTALS))
    fill = max(tcp, udp, icmp) / ports if ports else 0.0
    address = address_text(int(row["address"]))
    return AddressFill(address, round(fill, 4), tcp, udp, icmp, created, exhausted)
