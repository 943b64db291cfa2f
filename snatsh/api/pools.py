# SPDX-License-Identifier: Apache-2.0
"""Pools: how much of them is in use, now and over time."""

from __future__ import annotations

from snatsh.api.codec import Model
from snatsh.api.fields import Field, FieldTable, Unit

POOL_FIELDS = FieldTable(
    Field("name", "Pool", rising=True),
    Field("fill", "Fill", Unit.SHARE),
    Field("peak", "Peak", Unit.SHARE),
    Field("forecast", "Full in", Unit.SECONDS, rising=True),
    Field("addresses", "Addresses", Unit.COUNT),
    Field("ports", "Ports", sortable=False),
    Field("announce", "Announce", sortable=False),
    Field("address", "Address", sortable=False),
    Field("tcp", "TCP", Unit.COUNT, sortable=False),
    Field("udp", "UDP", Unit.COUNT, sortable=False),
    Field("icmp", "ICMP", Unit.COUNT, sortable=False),
    Field("created", "Created", Unit.COUNT),
    Field("exhausted", "Exhausted", Unit.COUNT),
)
"""Of pools, and of their addresses."""


class Active(Model, frozen=True):
    """Flows now, by protocol."""

    tcp: int
    udp: int
    icmp: int


class AddressUsage(Model, frozen=True):
    """created: flows so far. exhausted: new flows that found no free port."""

    address: str
    tcp: int
    udp: int
    icmp: int
    created: int
    exhausted: int


class DrainedAddress(Model, frozen=True):
    """An address without new flows. flows: those it still has. ordered: the user who drained it."""

    address: str
    flows: int
    ordered: str


class PoolRow(Model, frozen=True):
    """usage: the addresses that were ever used."""

    name: str
    addresses: int
    ports: str
    announce: str
    active: Active
    created: int
    exhausted: int
    usage: list[AddressUsage]
    drained: list[DrainedAddress] = []


class PoolList(Model, frozen=True):
    pools: list[PoolRow]


class AddressFill(Model, frozen=True):
    """fill: share of the ports of the address's fullest protocol."""

    address: str
    fill: float
    tcp: int
    udp: int
    icmp: int
    created: int
    exhausted: int


class HeatMap(Model, frozen=True):
    """cells: a digit for each `per_cell` addresses from `first` on, the tenths used of the fullest."""

    per_cell: int
    first: str
    cells: str


class LivePool(Model, frozen=True):
    """room: ports of all addresses for one protocol; used: of its fullest protocol; fill, peak: shares.

    forecast: seconds until it is full. usage: the fullest addresses.
    """

    name: str
    addresses: int
    ports: str
    room: int
    used: int
    fill: float
    active: Active
    peak: float
    peak_at: str
    forecast: int | None
    created: int
    exhausted: int
    heat: HeatMap
    usage: list[AddressFill]


class LivePoolList(Model, frozen=True):
    pools: list[LivePool]
