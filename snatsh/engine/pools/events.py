# SPDX-License-Identifier: Apache-2.0
"""Tells when a pool runs full, before and when it hurts, and when it has room again."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.engine.pools.usage import PoolUse

LEVELS = (80, 95, 100)
"""Percent of a pool's ports that are worth an event."""

RELIEF = 5
"""Percent below a level at which it is left again: a pool at its brink is not told of all the time."""


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
