# SPDX-License-Identifier: Apache-2.0
"""Events of pools that run full or recover."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.engine.pools.usage import PoolUse

LEVELS = (80, 95, 100)
"""Fill levels in percent of a pool's ports that raise an event."""

RELIEF = 5
"""Hysteresis in percent, so that a pool at a level does not raise events continually."""


class PoolEvents:
    """Compares the usage of pools with that at the last look."""

    def __init__(self) -> None:
        self._level: dict[str, int] = {}
        self._exhausted: dict[str, int] = {}

    def look(self, uses: list[PoolUse]) -> list[str]:
        """Return the events since the last look."""
        events = [event for use in uses for event in self._events(use)]
        names = {use.name for use in uses}
        for known in (self._level, self._exhausted):
            for name in set(known) - names:
                del known[name]
        return events

    def _events(self, use: PoolUse) -> Iterator[str]:
        before = self._level.get(use.name, 0)
        refused = use.exhausted - self._exhausted.get(use.name, use.exhausted)
        self._exhausted[use.name] = use.exhausted
        level = max((level for level in LEVELS if 100 * use.share >= level), default=0)
        if refused > 0:
            level = LEVELS[-1]
        if level > before:
            self._level[use.name] = level
            yield f"pool {use.name} has reached {level} %: {_filled(use, refused)}"
        elif level < before and 100 * use.share < before - RELIEF:
            self._level[use.name] = level
            yield f"pool {use.name} is below {before} % again: {_filled(use, 0)}"


def _filled(use: PoolUse, refused: int) -> str:
    text = f"{use.used:,} of {use.room:,} ports in use"
    return f"{text}, {refused:,} new flows found none free" if refused > 0 else text
