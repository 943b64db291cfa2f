# SPDX-License-Identifier: Apache-2.0
"""What runs: flows, pools, rules, links, interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import quote

from snatsh.client.rows import (
    Drops,
    FlowFilter,
    Flows,
    InterfaceRow,
    LinkChange,
    LinkOrdered,
    LinkRow,
    LinkSeries,
    PoolRow,
    ProbeAnswer,
    RuleRow,
    Subscribers,
    Talker,
    TraceEvent,
    Trial,
)
from snatsh.client.transport import Transport, with_query


class StateCalls(Transport):
    """What operational mode asks for."""

    def flows(self, filters: FlowFilter | None = None, *, limit: int = 100, sort: str | None = None) -> Flows:
        query: dict[str, str | int] = {"limit": limit, **(filters or {})}
        if sort is not None:
            query["sort"] = sort
        return cast(Flows, self.get("/v1/flows", "flows", query))

    def end_flows(self, filters: FlowFilter | None = None) -> int:
        """End the flows that match, all without filters; how many those were."""
        return int(self.send("DELETE", with_query("/v1/flows", filters), None, "ended")["ended"])

    def talkers(self, filters: FlowFilter | None = None, *, limit: int = 10) -> list[Talker]:
        """The inside addresses with the most bytes."""
        return cast(
            list[Talker], self.get("/v1/talkers", "talkers", {"limit": limit, **(filters or {})})["talkers"]
        )

    def subscribers(self, limit: int = 100) -> Subscribers:
        return cast(Subscribers, self.get("/v1/subscribers", "subscribers", {"limit": limit}))

    def pools(self) -> list[PoolRow]:
        return cast(list[PoolRow], self.get("/v1/pools", "pools")["pools"])

    def rules(self) -> list[RuleRow]:
        return cast(list[RuleRow], self.get("/v1/rules", "rules")["rules"])

    def links(self) -> list[LinkRow]:
        return cast(list[LinkRow], self.get("/v1/links", "links")["links"])

    def link_series(self) -> list[LinkSeries]:
        """The newest probes of each link with a monitor: round-trip milliseconds, None for a lost one."""
        return cast(list[LinkSeries], self.get("/v1/links/series", "links")["links"])

    def link_changes(self, link: str = "", limit: int = 100) -> list[LinkChange]:
        """What links went through, the newest first, over restarts of snatd too."""
        query: dict[str, str | int] = {"limit": limit, **({"link": link} if link else {})}
        return cast(list[LinkChange], self.get("/v1/links/changes", "changes", query)["changes"])

    def order_link(self, name: str, order: str) -> LinkOrdered:
        """Take a link down, drain it, or leave it to its probes again: `up`."""
        path = f"/v1/links/{quote(name)}/order"
        return cast(LinkOrdered, self.send("POST", path, {"order": order}, "state"))

    def drops(self) -> Drops:
        return cast(Drops, self.get("/v1/drops", "drops"))

    def interfaces(self) -> list[InterfaceRow]:
        return cast(list[InterfaceRow], self.get("/v1/interfaces", "interfaces")["interfaces"])

    def trace(self, wanted: Mapping[str, str | int]) -> None:
        """Note what becomes of packets. source, destination, protocol, port, seconds."""
        self.send("POST", "/v1/trace", dict(wanted), "seconds")

    def traced(self) -> tuple[list[TraceEvent], float]:
        """What was noted since the last call, and the seconds that are left."""
        answer = self.get("/v1/trace", "events")
        return cast(list[TraceEvent], answer["events"]), float(answer["seconds"])

    def stop_trace(self) -> None:
        self.send("DELETE", "/v1/trace")

    def probe(self, source: str, destination: str, ttl: int = 64) -> ProbeAnswer | None:
        """An echo request from a pool's address; None when nobody answers within a second."""
        asked = {"source": source, "destination": destination, "ttl": ttl}
        return cast(ProbeAnswer | None, self.send("POST", "/v1/probe", asked, "answer")["answer"])

    def try_packet(self, packet: Mapping[str, str | int]) -> Trial:
        """source, destination, protocol, source_port, destination_port, interface."""
        return cast(Trial, self.send("POST", "/v1/test/packet", dict(packet), "running"))
