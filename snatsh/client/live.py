# SPDX-License-Identifier: Apache-2.0
"""What live consoles show: a screenful at a time, with rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from snatsh.client.rows import Flow, Scheduled, Waiting
from snatsh.client.transport import Transport

Query = Mapping[str, str | int]


class Speed(TypedDict):
    """Per second; None until there were two looks."""

    packets: int | None
    bits: int | None


Traffic = TypedDict("Traffic", {"out": Speed, "in": Speed, "translated": Speed, "opened": float | None})
"""out, in: on the outside interfaces. translated: by rules, both ways. opened: flows per second."""


class LivePool(TypedDict):
    """room: ports of all addresses for one protocol; used: of its fullest protocol; fill, peak: shares.

    forecast: seconds until it is full. heat: `cells`, a digit for the tenths used of each `per_cell`
    addresses.
    """

    name: str
    addresses: int
    ports: str
    room: int
    used: int
    fill: float
    active: dict[str, int]
    peak: float
    peak_at: str
    forecast: float | None
    created: int
    exhausted: int
    heat: dict[str, Any]
    usage: list[dict[str, Any]]


class Overview(TypedDict):
    """What a dashboard shows. seconds: between the two looks that rates are made of."""

    host_name: str
    seconds: float | None
    traffic: Traffic
    flows: int
    capacity: int
    drops: list[dict[str, Any]]
    handed_up: list[dict[str, Any]]
    processor: dict[str, Any]
    pools: list[LivePool]
    links: list[dict[str, str]]
    interfaces: list[dict[str, Any]]
    alarms: list[dict[str, str]]
    pending: Waiting | None
    scheduled: Scheduled | None


class LiveFlow(Flow):
    rate: int


class FlowPage(TypedDict):
    """age: seconds since the table was read; every: how often that is."""

    age: float
    every: float
    total: int
    matched: int
    capacity: int
    flows: list[LiveFlow]


class GroupPage(TypedDict):
    age: float
    every: float
    total: int
    matched: int
    capacity: int
    count: int
    groups: list[dict[str, Any]]


class SubscriberPage(TypedDict):
    """limited: how many were ever refused something. allowed: sessions each may hold."""

    age: float
    every: float
    total: int
    capacity: int
    count: int
    limited: int
    allowed: int | None
    subscribers: list[dict[str, Any]]


class LiveCalls(Transport):
    """Queries: text, sort, turned, offset, limit, and the filters of flows."""

    def live_overview(self) -> Overview:
        return cast(Overview, self.get("/v1/live/overview", "traffic"))

    def live_flows(self, query: Query) -> FlowPage:
        return cast(FlowPage, self.get("/v1/live/flows", "flows", query))

    def live_groups(self, by: str, query: Query) -> GroupPage:
        return cast(GroupPage, self.get("/v1/live/groups", "groups", {"by": by, **query}))

    def live_flow(self, key: Query) -> Flow | None:
        """As it is now; None when it has ended."""
        return cast(Flow | None, self.get("/v1/live/flow", "flow", key)["flow"])

    def live_pools(self) -> list[LivePool]:
        return cast(list[LivePool], self.get("/v1/live/pools", "pools")["pools"])

    def live_rules(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self.get("/v1/live/rules", "rules")["rules"])

    def live_subscribers(self, query: Query) -> SubscriberPage:
        return cast(SubscriberPage, self.get("/v1/live/subscribers", "subscribers", query))

    def end_these(self, keys: Sequence[Query]) -> int:
        """End exactly these flows; how many there still were."""
        body = {"flows": [dict(key) for key in keys]}
        return int(self.send("POST", "/v1/live/flows/end", body, "ended")["ended"])
