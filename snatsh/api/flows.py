# SPDX-License-Identifier: Apache-2.0
"""Flows: listings, groups, single flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from snatsh.api.codec import Model
from snatsh.api.fields import Field, FieldTable, Unit

FlowState = Literal["unreplied", "established", "transitory", "time-wait"]

FlowFilter = Mapping[str, str | int]
"""source, destination, mapped, protocol, port, rule, pool, link, state, age, rate."""

FLOW_FIELDS = FieldTable(
    Field("bytes", "Bytes", Unit.OCTETS),
    Field("packets", "Packets", Unit.COUNT),
    Field("rate", "Bits/s", Unit.BIT_RATE),
    Field("age", "Age", Unit.SECONDS),
    Field("idle", "Idle", Unit.SECONDS),
    Field("expires", "Expires", Unit.SECONDS),
    Field("source", "Source", rising=True),
    Field("destination", "Destination", rising=True),
    Field("mapped", "Mapped", rising=True),
    Field("rule", "Rule", Unit.ORDINAL, rising=True),
    Field("protocol", "Proto", rising=True),
    Field("state", "State", rising=True),
    Field("out_interface", "Out", sortable=False),
    Field("bytes_out", "Out bytes", Unit.OCTETS, sortable=False),
    Field("bytes_in", "In bytes", Unit.OCTETS, sortable=False),
)
"""bytes, packets, rate: of both directions."""

GROUP_FIELDS = FieldTable(
    Field("rate", "Bits/s", Unit.BIT_RATE),
    Field("flows", "Flows", Unit.COUNT),
    Field("bytes", "Bytes", Unit.OCTETS),
    Field("packets", "Packets", Unit.COUNT),
    Field("name", "Name", rising=True),
)


class Flow(Model, frozen=True, gc=False):
    """One translated flow. redirect: the next hop it is sent by instead of the routed one.

    age, idle, expires: seconds.
    """

    source: str
    destination: str
    mapped: str
    source_port: int
    destination_port: int
    mapped_port: int
    protocol: str
    state: FlowState
    rule: int
    out_interface: str
    redirect: str
    packets_out: int
    bytes_out: int
    packets_in: int
    bytes_in: int
    age: float
    idle: float
    expires: float


class LiveFlow(Flow, frozen=True, gc=False):
    """rate: bits per second, both directions."""

    rate: int


class FlowListing(Model, frozen=True):
    """matched: flows that match the filter; flows: the first of them."""

    total: int
    matched: int
    capacity: int
    flows: list[Flow]


class FlowAnswer(Model, frozen=True):
    """flow: None when it has ended."""

    flow: Flow | None


class FlowKey(Model, frozen=True):
    """Identifies a flow."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str

    @classmethod
    def of(cls, flow: Flow) -> FlowKey:
        return cls(flow.source, flow.source_port, flow.destination, flow.destination_port, flow.protocol)

    @property
    def text(self) -> str:
        source, destination = (
            f"{self.source}:{self.source_port}",
            f"{self.destination}:{self.destination_port}",
        )
        return f"{source} to {destination} ({self.protocol})"

    def query(self) -> FlowFilter:
        """As the words of a query."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Ended(Model, frozen=True):
    """How many flows were ended."""

    ended: int


class Talker(Model, frozen=True):
    """rate: bits per second over the flows' life."""

    source: str
    flows: int
    packets: int
    bytes: int
    rate: int


class TalkerList(Model, frozen=True):
    talkers: list[Talker]


class SnapshotPage(Model, frozen=True):
    """Rows of a reading of the flow table. age: seconds since it was read; every: how often it is."""

    age: float
    every: float
    total: int
    capacity: int


class FlowPage(SnapshotPage, frozen=True):
    matched: int
    flows: list[LiveFlow]


class FlowGroup(Model, frozen=True):
    """Flows summed up. rate: bits per second."""

    name: str
    rate: int
    flows: int
    bytes: int
    packets: int


class GroupPage(SnapshotPage, frozen=True):
    """matched: flows that match the filter. count: groups of them."""

    matched: int
    count: int
    groups: list[FlowGroup]
