# SPDX-License-Identifier: Apache-2.0
"""What runs: flows, pools, rules, links, interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from snatsh.api.diagnostics import PacketTrial, ProbeAnswer, ProbeResult, Traced, TraceStarted
from snatsh.api.flows import Ended, FlowFilter, FlowListing, Talker, TalkerList
from snatsh.api.interfaces import Drops, InterfaceList, InterfaceRow
from snatsh.api.links import (
    LinkChange,
    LinkChangeList,
    LinkList,
    LinkOrdered,
    LinkRow,
    LinkSeries,
    LinkSeriesList,
)
from snatsh.api.mappings import MappingFilter, MappingListing
from snatsh.api.pools import PoolList, PoolRow
from snatsh.api.rules import RuleList, RuleRow
from snatsh.api.subscribers import SubscriberListing
from snatsh.api.system import Empty
from snatsh.client.transport import Transport, with_query


class StateCalls(Transport):
    """What operational mode asks for."""

    def flows(
        self, filters: FlowFilter | None = None, *, limit: int = 100, sort: str | None = None
    ) -> FlowListing:
        query: dict[str, str | int] = {"limit": limit, **(filters or {})}
        if sort is not None:
            query["sort"] = sort
        return self.get("/v1/flows", FlowListing, query)

    def end_flows(self, filters: FlowFilter | None = None) -> int:
        """End the flows that match, all without filters; how many those were."""
        return self.ask("DELETE", with_query("/v1/flows", filters), Ended).ended

    def mappings(
        self, filters: MappingFilter | None = None, *, limit: int = 100, sort: str | None = None
    ) -> MappingListing:
        query: dict[str, str | int] = {"limit": limit, **(filters or {})}
        if sort is not None:
            query["sort"] = sort
        return self.get("/v1/mappings", MappingListing, query)

    def end_mappings(self, filters: MappingFilter | None = None) -> int:
        """End the mappings that match, all without filters; how many those were."""
        return self.ask("DELETE", with_query("/v1/mappings", filters), Ended).ended

    def talkers(self, filters: FlowFilter | None = None, *, limit: int = 10) -> list[Talker]:
        """The inside addresses with the most bytes."""
        return self.get("/v1/talkers", TalkerList, {"limit": limit, **(filters or {})}).talkers

    def subscribers(self, limit: int = 100) -> SubscriberListing:
        return self.get("/v1/subscribers", SubscriberListing, {"limit": limit})

    def pools(self) -> list[PoolRow]:
        return self.get("/v1/pools", PoolList).pools

    def rules(self) -> list[RuleRow]:
        return self.get("/v1/rules", RuleList).rules

    def links(self) -> list[LinkRow]:
        return self.get("/v1/links", LinkList).links

    def link_series(self) -> list[LinkSeries]:
        """The newest probes of each link with a monitor."""
        return self.get("/v1/links/series", LinkSeriesList).links

    def link_changes(self, link: str = "", limit: int = 100) -> list[LinkChange]:
        """Changes of state, the newest first, over restarts of snatd too."""
        query: dict[str, str | int] = {"limit": limit, **({"link": link} if link else {})}
        return self.get("/v1/links/changes", LinkChangeList, query).changes

    def order_link(self, name: str, order: str) -> LinkOrdered:
        """Take a link down, drain it, or leave it to its probes again: `up`."""
        return self.ask("POST", f"/v1/links/{quote(name)}/order", LinkOrdered, {"order": order})

    def drain_address(self, address: str) -> None:
        """Give a pool address no new flows."""
        self.ask("POST", "/v1/pools/drain", Empty, {"address": address})

    def restore_address(self, address: str) -> None:
        """Give a pool address that was drained new flows again."""
        self.ask("POST", "/v1/pools/restore", Empty, {"address": address})

    def drops(self) -> Drops:
        return self.get("/v1/drops", Drops)

    def interfaces(self) -> list[InterfaceRow]:
        return self.get("/v1/interfaces", InterfaceList).interfaces

    def trace(self, wanted: Mapping[str, str | int]) -> None:
        """Start a trace. wanted: source, destination, protocol, port, seconds."""
        self.ask("POST", "/v1/trace", TraceStarted, dict(wanted))

    def traced(self) -> Traced:
        """The events since the last call."""
        return self.get("/v1/trace", Traced)

    def stop_trace(self) -> None:
        self.ask("DELETE", "/v1/trace", Empty)

    def probe(self, source: str, destination: str, ttl: int = 64) -> ProbeAnswer | None:
        """Send an echo request from a pool's address; None when no answer comes within a second."""
        asked = {"source": source, "destination": destination, "ttl": ttl}
        return self.ask("POST", "/v1/probe", ProbeResult, asked).answer

    def try_packet(self, packet: Mapping[str, str | int]) -> PacketTrial:
        """packet: source, destination, protocol, source_port, destination_port, interface, mark."""
        return self.ask("POST", "/v1/test/packet", PacketTrial, dict(packet))
