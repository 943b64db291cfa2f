# SPDX-License-Identifier: Apache-2.0
"""Pools as the API lists them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snatsh.api.pools import Active, AddressUsage, DrainedAddress, PoolRow
from snatsh.compile.image import PoolImage
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows.query import address_text
from snatsh.engine.pools.drain import Orders
from snatsh.engine.pools.usage import TOTALS, Usage, rows_of, use_of
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.vocabulary import PROTOCOLS


def pool_rows(plan: Plan, usage: Usage, orders: Orders) -> list[PoolRow]:
    """List every pool with its usage and each address that was ever used. orders: of addresses drained."""
    return [_pool_row(image, plan.profile, usage, orders) for image in plan.image.pools]


def _pool_row(image: PoolImage, profile: Profile, usage: Usage, orders: Orders) -> PoolRow:
    use, mine = use_of(image, usage), rows_of(image, usage)
    mine = mine[np.logical_or.reduce([mine[name] > 0 for name in (*PROTOCOLS, *TOTALS)])]
    columns = [mine[name].tolist() for name in (*PROTOCOLS, *TOTALS)]
    addresses = map(address_text, mine["address"].tolist())
    return PoolRow(
        name=image.name,
        addresses=image.size,
        ports=str(image.ports),
        announce=_announce(profile.pools[image.name]),
        active=Active(**use.active),
        created=use.created,
        exhausted=use.exhausted,
        usage=[AddressUsage(*values) for values in zip(addresses, *columns, strict=True)],
        drained=list(_drained(image, usage, orders)),
    )


def _drained(image: PoolImage, usage: Usage, orders: Orders) -> Iterator[DrainedAddress]:
    for run in image.drained:
        mine = usage[usage["address"] == int(run.first)]
        flows = sum(int(mine[name].sum()) for name in PROTOCOLS)
        yield DrainedAddress(str(run.first), flows, orders.get(run.first, ""))


def _announce(pool: Pool) -> str:
    return "none" if pool.interface_address is not None else pool.announce
