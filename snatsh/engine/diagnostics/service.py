# SPDX-License-Identifier: Apache-2.0
"""Diagnostics for consoles: test packets, traces, and pings from pool addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from snatsh.api.diagnostics import MatchingFlow, PacketTrial, Traced, Verdict
from snatsh.engine.config.candidate import Candidate
from snatsh.engine.config.commit import Down, Plan, prepare
from snatsh.engine.diagnostics import packet_test, pool_ping
from snatsh.engine.diagnostics.packet_test import NoRoute, TestPacket
from snatsh.engine.diagnostics.pool_ping import EchoReply, NoProbe
from snatsh.engine.diagnostics.trace import Tracer, TraceRequest
from snatsh.engine.flows.query import Flows, address_text
from snatsh.engine.flows.table_reader import TableReader
from snatsh.engine.host.facts import gather
from snatsh.model.errors import ProfileError
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from snatsh.model.validate.box import BoxFinding
from snatsh.model.values import Address
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath


class Diagnostics:
    """running: the plan that the datapath runs. down: links that new flows do not take. box: what of
    the host packets pass by.
    """

    def __init__(
        self,
        datapath: Datapath,
        table: TableReader,
        running: Callable[[], Plan],
        down: Down,
        box: Callable[[], Sequence[BoxFinding]],
    ) -> None:
        self._datapath = datapath
        self._table = table
        self._running = running
        self._down = down
        self._box = box
        self._tracer = Tracer(datapath)

    async def test_packet(self, packet: TestPacket, candidate: Candidate) -> PacketTrial:
        """Evaluate a packet against the running rules, a changed candidate, and the flow table."""

        def evaluate(table: Flows) -> PacketTrial:
            plan, facts = self._running(), gather()
            image = self._datapath.loaded(plan.image)

            def by_running() -> Verdict:
                return packet_test.answer(packet, image, plan.profile, facts)

            def by_candidate() -> Verdict:
                new = prepare(candidate.document, facts, self._down)
                return packet_test.answer(packet, new.image, new.profile, facts)

            return PacketTrial(
                running=_verdict(by_running),
                flow=_flow_of(table, packet),
                candidate=_verdict(by_candidate) if candidate.changed else None,
                passed_by=[*self._passed_by(packet, plan.profile, facts)],
            )

        return await self._table.with_table(evaluate)

    def _passed_by(self, packet: TestPacket, profile: Profile, facts: Facts) -> Iterator[str]:
        if by_mark := packet_test.route_by_mark(packet, profile, facts):
            yield by_mark
        yield from (f"{found}" for found in self._box() if found.alarm == "major")

    async def trace(self, user: str, pid: int, request: TraceRequest) -> None:
        """Start a trace."""
        await asyncio.to_thread(self._tracer.ask, user, pid, request.filter, request.seconds)

    async def trace_events(self, pid: int) -> Traced:
        """Return what the trace of a process has seen since the last call."""
        left = self._tracer.seconds_left
        return Traced(await asyncio.to_thread(self._tracer.events, pid), left)

    async def stop_trace(self, pid: int) -> None:
        await asyncio.to_thread(self._tracer.stop, pid)

    async def ping(
        self, user: str, pid: int, source: Address, destination: Address, ttl: int, seconds: float
    ) -> EchoReply | None:
        """Send one echo request from a pool address. None if no answer came in time."""
        pools = self._running().image.pools
        if not any(run.first <= source <= run.last for pool in pools for run in pool.runs):
            raise NoProbe(f"probe: {source} is no address of a pool that runs")
        return await asyncio.to_thread(
            pool_ping.probe, self._tracer, pid, user, source, destination, ttl, seconds
        )


def _verdict(evaluate: Callable[[], Verdict]) -> Verdict:
    try:
        return evaluate()
    except (NoRoute, ProfileError) as error:
        return packet_test.without_rule("none", str(error))


def _flow_of(flows: Flows, packet: TestPacket) -> MatchingFlow | None:
    """Find the live flow that such a packet belongs to."""
    wanted = {
        "source": int(packet.source), "destination": int(packet.destination),
        "destination_port": packet.destination_port, "protocol": PROTOCOL_NUMBERS[packet.protocol],
    }  # fmt: skip
    if packet.source_port:
        wanted["source_port"] = packet.source_port
    chosen = flows["source"] == wanted.pop("source")
    for name, value in wanted.items():
        chosen &= flows[name] == value
    found = flows[chosen]
    if not len(found):
        return None
    row = found[0]
    return MatchingFlow(
        source_port=int(row["source_port"]),
        mapped=address_text(int(row["mapped"])),
        mapped_port=int(row["mapped_port"]),
        rule=int(row["rule"]),
    )
