# SPDX-License-Identifier: Apache-2.0
"""Usage of each pool: the gauges of its addresses, summed up for listings, alarms and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import Image, PoolImage
from snatsh.model.vocabulary import PROTOCOLS

Usage = NDArray[Any]
"""Rows of Datapath.address_usage."""

TOTALS = ("created", "exhausted")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """active: flows by protocol. room: ports of all addresses, for one protocol.

    created: flows so far. exhausted: flows refused for want of a free port.
    """

    name: str
    room: int
    active: Mapping[str, int]
    created: int = 0
    exhausted: int = 0

    @property
    def used(self) -> int:
        """Ports in use, of the fullest protocol."""
        return max(self.active.values())

    @property
    def share(self) -> float:
        """Share of the room in use. It may exceed 1: one port can serve many destinations."""
        return self.used / self.room if self.room else 0.0


def use_of(pool: PoolImage, usage: Usage) -> PoolUse:
    """Sum up the usage of one pool. usage: rows of all pools, in any order."""
    rows = rows_of(pool, usage)
    active = {name: int(rows[name].sum()) for name in PROTOCOLS}
    totals = {name: int(rows[name].sum()) for name in TOTALS}
    return PoolUse(pool.name, pool.size * pool.ports.size, active, **totals)


def pool_uses(image: Image, usage: Usage) -> list[PoolUse]:
    return [use_of(pool, usage) for pool in image.pools]


def rows_of(pool: PoolImage, usage: Usage) -> Usage:
    """Return the rows of a pool's addresses, in ascending order."""
    addresses = usage["address"]
    runs = [(addresses >= int(run.first)) & (addresses <= int(run.last)) for run in pool.runs]
    rows = usage[np.logical_or.reduce(runs)] if runs else usage[:0]
    ordered: Usage = rows[np.argsort(rows["address"])]
    return ordered
