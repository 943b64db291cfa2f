# SPDX-License-Identifier: Apache-2.0
"""End the flows of a failed link, where the profile says so.

The record in the datapath is freed at once. The subscriber of a TCP flow has to be reset as well, but a reset
is only valid with the sequence number that it expects, which its next packet reveals; the datapath answers
that packet with a reset (bpf/reset.h). A silent subscriber is prompted: it receives a segment with impossible
numbers, and answers with its own (RFC 9293, 3.10.7.4).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.link_selection import link_of
from snatsh.engine.flows.query import Flows
from snatsh.engine.links.manager import LinkState
from snatsh.engine.packets import ACK, TCP, Segment, packet
from snatsh.engine.worker import ChangeWorker
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop
from snatsh.model.pool_addresses import with_interface_addresses
from snatsh.model.schema.profile import Profile

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

log = logging.getLogger(__name__)

MOST_PROMPTED = 20_000
"""Most connections whose hosts are prompted when a link fails. The others are reset when they send."""

BATCH = 100
PAUSE_SECONDS = 0.01


class FlowTermination:
    """Ends the flows of links that went down since the last call of `look`."""

    def __init__(self, datapath: Datapath, worker: ChangeWorker) -> None:
        self._datapath = datapath
        self._worker = worker
        self._down: frozenset[str] = frozenset()
        self._task: asyncio.Task[None] | None = None

    def look(self, profile: Profile, facts: Facts, states: Mapping[str, LinkState]) -> None:
        down = frozenset(name for name, state in states.items() if state.state == "down")
        fallen, self._down = down - self._down, down
        ending = frozenset(name for name in fallen if name in profile.links and ends_flows(profile, name))
        if ending:
            before = self._task
            self._task = asyncio.create_task(self._end(profile, facts, ending, before))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _end(
        self, profile: Profile, facts: Facts, links: frozenset[str], before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)

        def end() -> Flows:
            table = self._datapath.flows()
            found = table[flows_of(table, profile, facts, links)]
            self._datapath.reset_flows(found, profile.timeouts.tcp.established)
            return found

        try:
            ended = await self._worker.run(end)
            log.info("ended %d flows of %s", len(ended), ", ".join(sorted(links)))
            await prompt(ended[ended["protocol"] == TCP][:MOST_PROMPTED])
        except OSError as error:
            log.error("cannot reset the hosts of flows of %s: %s", ", ".join(sorted(links)), error)


def ends_flows(profile: Profile, link: str) -> bool:
    """Whether flows end when the link goes down: as configured, else if others take over."""
    held = profile.links[link]
    if held.flows is not None:
        return held.flows == "end"
    groups = [group.link.keys() for group in profile.link_groups.values() if link in group.link]
    return (
        held.backup is not None
        or any(len(group) > 1 for group in groups)
        or any(link in rule.failover for rule in profile.rules.values())
    )


def flows_of(table: Flows, profile: Profile, facts: Facts, links: frozenset[str]) -> NDArray[np.bool_]:
    """Select the flows that use these links: redirected to them, or routed to them by a rule."""
    profile = with_interface_addresses(profile, facts)
    hops = [int(hop) for name in links if (hop := next_hop(profile.links[name], facts))]
    routed = [
        number
        for number, rule in profile.rules.items()
        if link_of(rule.model_copy(update={"redirect": None}), profile, facts) in links
    ]
    by_route = (table["redirect"] == 0) & np.isin(table["rule"], routed)
    found: NDArray[np.bool_] = np.isin(table["redirect"], hops) | by_route
    return found


async def prompt(flows: Flows) -> None:
    """Prompt the subscribers of these TCP flows to send, paced."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        for start in range(0, len(flows), BATCH):
            for flow in flows[start : start + BATCH]:
                data, host = impossible_segment(flow)
                try:
                    sender.sendto(data, (host, 0))
                except OSError:
                    continue  # no route to this host
            await asyncio.sleep(PAUSE_SECONDS)


def impossible_segment(flow: Any) -> tuple[bytes, str]:
    """Build a segment with random numbers from a flow's server to its subscriber. Return both."""
    inside, outside = (int(flow[name]).to_bytes(4, "big") for name in ("source", "destination"))
    segment = Segment(
        int(flow["destination_port"]),
        int(flow["source_port"]),
        secrets.randbits(32),
        secrets.randbits(32),
        ACK,
    )
    return packet(TCP, outside, inside, segment.encode(outside, inside)), socket.inet_ntoa(inside)
