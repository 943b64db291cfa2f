# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the flow table with the rate of each flow, shared by all consoles.

Reading a million flows takes seconds of CPU, so a snapshot is kept for a multiple of that time and shows
its age; the few rows on a page are looked up again one by one (`refresh.py`).
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
"""Share of one core, at most, spent on reading the table."""

LEAST_SECONDS = 0.9
FORGET_SECONDS = 15.0
_KNOWN = 6
_NOTHING = object()
_PATIENCE = 2.0  # times its due; an older snapshot was not in use, so wait for the next


@dataclass(frozen=True, slots=True)
class Picked:
    """Some of the flows, or all of them. Columns are gathered on access."""

    flows: Flows
    places: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.flows) if self.places is None else len(self.places)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column as contiguous memory, unlike in the table."""
        column = self.flows[name]
        return np.ascontiguousarray(column) if self.places is None else column[self.places]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """rates: bits per second since the previous snapshot, both directions. taken: monotonic time.

    cost: seconds that reading took. hashes: of the flow keys, ascending. bytes: in the order of hashes.
    known: recent results computed from the snapshot.
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
        """Return the result of some work, done once per snapshot for the same question."""
        found: T | object = self.known.get(question, _NOTHING)
        if found is _NOTHING:
            found = work()
            while len(self.known) >= _KNOWN:
                self.known.pop(next(iter(self.known)), None)
            self.known[question] = found
        return cast(T, found)

    @property
    def due(self) -> float:
        """Seconds for which the snapshot is used."""
        return max(LEAST_SECONDS, self.cost / SHARE)


def take(flows: Flows, before: Snapshot | None, started: float) -> Snapshot:
    """Make a snapshot, with rates since the previous one. started: when reading began."""
    hashes = _hashes(flows)
    total: NDArray[np.uint64] = flows["bytes_out"] + flows["bytes_in"]
    order = np.argsort(hashes)
    hashes, ordered = hashes[order], total[order]
    # New flows, and all without a previous snapshot: the mean rate over their life.
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
    """Hash each flow key to 64 bits. A collision would only swap two rates."""
    words = np.ascontiguousarray(keys_of(flows)).view(np.uint64).reshape(-1, 2)
    with np.errstate(over="ignore"):
        mixed = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1]
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        result: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(32))
    return result


class Snapshots:
    """Belongs to one event loop. one_copy: held while the table is read."""

    def __init__(self, read: Callable[[], Flows], one_copy: asyncio.Lock) -> None:
        self._read = read
        # One thread for all full reads: every thread would keep its own memory for one.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="table")
        self._one_copy = one_copy
        self._latest: Snapshot | None = None
        self._reading: asyncio.Task[Snapshot] | None = None
        self._forgetting: asyncio.TimerHandle | None = None

    async def latest(self) -> Snapshot:
        """Return a recent snapshot, or an older one while the next is being read."""
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
        """Run an action that reads the whole table, one at a time."""
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
        """Free the memory: no console asks any more."""
        self._latest = None

    def close(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)


def row_key(row: Any) -> tuple[int, ...]:
    """Return the key of a flow."""
    names = ("source", "source_port", "destination", "destination_port", "protocol")
    return tuple(int(row[name]) for name in names)
