# SPDX-License-Identifier: Apache-2.0
"""The flow table as it was a moment ago, with each flow's rate, shared by all who look.

Reading a million flows takes seconds of CPU. So a reading is kept for a multiple of what it took, and its
age is told; the few rows that are on a screen are looked up again one by one (`refresh.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath.flows import keys_of

Flows = NDArray[np.void]
T = TypeVar("T")

SHARE = 0.12
"""Of one core, at most, for reading the table again and again."""

LEAST_SECONDS = 0.9
FORGET_SECONDS = 15.0
_KNOWN = 6
_NOTHING = object()
_PATIENCE = 2.0  # older than this many times its due: nobody has looked for a while


@dataclass(frozen=True, slots=True)
class Picked:
    """Some of the flows, or all of them: only the columns that are asked for are gathered."""

    flows: Flows
    places: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.flows) if self.places is None else len(self.places)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Side by side in memory, which a column of the table is not."""
        column = self.flows[name]
        return np.ascontiguousarray(column) if self.places is None else column[self.places]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """rates: bits per second since the reading before, both directions. taken: on the monotonic clock.

    cost: seconds that the reading took. hashes: of the flows' keys, ascending; bytes: beside them.
    known: what was worked out of it lately.
    """

    flows: Flows
    rates: NDArray[np.float32]
    taken: float
    cost: float
    hashes: NDArray[np.uint64]
    bytes: NDArray[np.uint64]
    known: dict[Hashable, Any] = field(default_factory=dict, compare=False)

    def picked(self, places: NDArray[np.intp] | None) -> Picked:
        return Picked(self.flows, places)

    @property
    def age(self) -> float:
        return time.monotonic() - self.taken

    def once(self, question: Hashable, work: Callable[[], T]) -> T:
        """What the work finds, done once for all who ask the same of this reading."""
        found: T | object = self.known.get(question, _NOTHING)
        if found is _NOTHING:
            found = work()
            while len(self.known) >= _KNOWN:
                self.known.pop(next(iter(self.known)), None)
            self.known[question] = found
        return cast(T, found)

    @property
    def due(self) -> float:
        """Seconds for which this reading will do."""
        return max(LEAST_SECONDS, self.cost / SHARE)


def take(flows: Flows, before: Snapshot | None, started: float) -> Snapshot:
    """A reading, with rates since the one before. started: when reading it began."""
    hashes = _hashes(flows)
    total: NDArray[np.uint64] = flows["bytes_out"] + flows["bytes_in"]
    order = np.argsort(hashes)
    hashes, ordered = hashes[order], total[order]
    # Without a reading before, or for a flow that it did not have: over the flow's life.
    rates = 8 * ordered / np.maximum(flows["age"][order], 1.0)
    if before is not None and len(before.hashes):
        at = np.minimum(np.searchsorted(before.hashes, hashes), len(before.hashes) - 1)
        known = (before.hashes[at] == hashes) & (ordered >= before.bytes[at])
        grown = ordered[known] - before.bytes[at[known]]
        rates[known] = 8 * grown / max(started - before.taken, 0.1)
    placed = np.empty(len(flows), dtype=np.float32)
    placed[order] = rates
    return Snapshot(flows, placed, started, time.monotonic() - started, hashes, ordered)


def _hashes(flows: Flows) -> NDArray[np.uint64]:
    """A 64-bit mix of each flow's key. Two flows that share one would only mix up two rates."""
    words = np.ascontiguousarray(keys_of(flows)).view(np.uint64).reshape(-1, 2)
    with np.errstate(over="ignore"):
        mixed = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1]
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        result: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(32))
    return result


class Snapshots:
    """Coroutines of one event loop. one_copy: held while the table is read."""

    def __init__(self, read: Callable[[], Flows], one_copy: asyncio.Lock) -> None:
        self._read = read
        # One thread for all that reads the whole table: each thread would keep memory of its own for it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="table")
        self._one_copy = one_copy
        self._latest: Snapshot | None = None
        self._reading: asyncio.Task[Snapshot] | None = None
        self._forgetting: asyncio.TimerHandle | None = None

    async def latest(self) -> Snapshot:
        """A reading that is young enough; an older one while the next is under way."""
        self._forget_later()
        known = self._latest
        if known is not None and known.age < known.due:
            return known
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._next())
        large = known is not None and known.due > 2 * LEAST_SECONDS
        if known is not None and large and known.age < _PATIENCE * known.due:
            return known
        return await asyncio.shield(self._reading)

    async def in_turn(self, action: Callable[[], T]) -> T:
        """Run something that goes through the whole table, one such thing at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, action)

    async def _next(self) -> Snapshot:
        async with self._one_copy:
            self._latest = await self.in_turn(self._take)
        return self._latest

    def _take(self) -> Snapshot:
        started = time.monotonic()
        return take(self._read(), self._latest, started)

    def _forget_later(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        kept = FORGET_SECONDS + (self._latest.due if self._latest else 0.0)
        self._forgetting = asyncio.get_running_loop().call_later(kept, self._forget)

    def _forget(self) -> None:
        """Nobody looks any more: the memory goes back."""
        self._latest = None

    def close(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)


def row_key(row: Any) -> tuple[int, ...]:
    """What tells a flow from all others."""
    names = ("source", "source_port", "destination", "destination_port", "protocol")
    return tuple(int(row[name]) for name in names)
