# SPDX-License-Identifier: Apache-2.0
"""How much of each pool is in use: the gauges of its addresses, summed up for listings, alarms and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import Image, PoolImage

PROTOCOLS = ("tcp", "udp", "icmp")
TOTALS = ("created", "exhausted")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """active: flows now by protocol. room: ports of all addresses, for one protocol.

    created, exhausted: flows so far, and new ones that found no free port.
    """

    name: str
    room: int
    active: Mapping[str, int]
    created: int = 0
    exhausted: int = 0

    @property
    def used(self) -> int:
        """Of the fullest protocol."""
        return max(self.active.values())

    @property
    def share(self) -> float:
        """Of the room. More than 1 is no contradiction: one port may serve many destinations."""
        return self.used / self.room if self.room else 0.0


def use_of(pool: PoolImage, usage: NDArray[Any]) -> PoolUse:
    """usage: rows of Datapath.address_usage, in any order, other pools' too."""
    rows = rows_of(pool, usage)
    active = {name: int(rows[name].sum()) for name in PROTOCOLS}
    totals = {name: int(rows[name].sum()) for name in TOTALS}
    return PoolUse(pool.name, pool.size * pool.ports.size, active, **totals)


def pool_uses(image: Image, usage: NDArray[Any]) -> list[PoolUse]:
    return [use_of(pool, usage) for pool in image.pools]


def rows_of(pool: PoolImage, usage: NDArray[Any]) -> NDArray[Any]:
    """The rows of a pool's addresses, in ascending order."""
    addresses = usage["address"]
    runs = [(addresses >= int(run.first)) & (addresses <= int(run.last)) for run in pool.runs]
    mine = usage[np.logical_or.reduce(runs)] if runs else usage[:0]
    ordered: NDArray[Any] = mine[np.argsort(mine["address"])]
    return ordered
