"""Tells when a pool runs full, before and when it hurts, and when it has room again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import Image, PoolImage

LEVELS = (80, 95, 100)
"""Percent of a pool's ports that are worth an event."""

RELIEF = 5
"""Percent below a level at which it is left again: a pool at its brink is not told of all the time."""

_PROTOCOLS = ("tcp", "udp", "icmp")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full a pool is, by its fullest protocol. exhausted: new flows so far that found no free port."""

    name: str
    used: int
    room: int
    exhausted: int

    @property
    def percent(self) -> float:
        # One port may serve many destinations, so more flows than ports is no contradiction.
        return min(100.0, 100 * self.used / self.room) if self.room else 0.0


def pool_uses(image: Image, usage: NDArray[np.void]) -> list[PoolUse]:
    """usage: rows of Datapath.address_usage."""
    ordered = np.sort(usage, order="address")
    return [_use(pool, ordered) for pool in image.pools]


def _use(pool: PoolImage, ordered: NDArray[Any]) -> PoolUse:
    used = dict.fromkeys(_PROTOCOLS, 0)
    exhausted = 0
    for run in pool.runs:
        first, end = np.searchsorted(ordered["address"], (int(run.first), int(run.last) + 1))
        part = ordered[first:end]
        for protocol in _PROTOCOLS:
            used[protocol] += int(part[protocol].sum())
        exhausted += int(part["exhausted"].sum())
    return PoolUse(pool.name, max(used.values()), pool.size * pool.ports.size, exhausted)


class PoolEvents:
    """Feed it with what pools look like; it remembers what it has told."""

    def __init__(self) -> None:
        self._level: dict[str, int] = {}
        self._exhausted: dict[str, int] = {}

    def look(self, uses: list[PoolUse]) -> list[str]:
        """The events since the last look, as sentences."""
        told = [event for use in uses for event in self._events(use)]
        names = {use.name for use in uses}
        for known in (self._level, self._exhausted):
            for name in set(known) - names:
                del known[name]
        return told

    def _events(self, use: PoolUse) -> Iterator[str]:
        before = self._level.get(use.name, 0)
        refused = use.exhausted - self._exhausted.get(use.name, use.exhausted)
        self._exhausted[use.name] = use.exhausted
        level = max((level for level in LEVELS if use.percent >= level), default=0)
        if refused > 0:
            level = LEVELS[-1]
        if level > before:
            self._level[use.name] = level
            yield f"pool {use.name} has reached {level} %: {_filled(use, refused)}"
        elif level < before and use.percent < before - RELIEF:
            self._level[use.name] = level
            yield f"pool {use.name} is below {before} % again: {_filled(use, 0)}"


def _filled(use: PoolUse, refused: int) -> str:
    text = f"{use.used:,} of {use.room:,} ports in use"
    return f"{text}, {refused:,} new flows found none free" if refused > 0 else text
