# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole: resources, uptime, alarms, counters, interfaces, and the live overview."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from snatsh.api.codec import builtins, from_builtins
from snatsh.api.commits import WaitingCommits
from snatsh.api.interfaces import Drops, InterfaceRow, InterfaceSummary, Reason
from snatsh.api.links import LinkSummary
from snatsh.api.overview import Overview
from snatsh.api.system import Alarm, Resources, Uptime
from snatsh.datapath.reasons import DROP_REASONS, PASS_REASONS
from snatsh.engine.config.commit import Plan
from snatsh.engine.config.confirm import UnconfirmedCommit
from snatsh.engine.config.history import Store
from snatsh.engine.host.announcer import AddressConflict
from snatsh.engine.host.facts import gather, traffic
from snatsh.engine.links.manager import LinkState
from snatsh.engine.pools.usage import Usage, pool_uses
from snatsh.engine.pools.watch import PoolWatch
from snatsh.engine.status import resources, totals
from snatsh.engine.status.alarms import AlarmInputs, alarm_rows
from snatsh.engine.status.box import BoxStatus
from snatsh.engine.status.interfaces import interface_rows
from snatsh.engine.status.totals import Totals
from snatsh.engine.storage.json_record import Record
from snatsh.model.facts import Facts
from snatsh.model.validate.box import Mode

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Count, Datapath


class StatusService:
    """running: the plan that the datapath runs. links: their states. pending: the unconfirmed commit.

    records: the files beside the history. conflicts: pool addresses that other stations have. box: what
    translated packets pass by.
    """

    def __init__(
        self,
        datapath: Datapath,
        store: Store,
        counters: Totals,
        pools: PoolWatch,
        running: Callable[[], Plan],
        links: Callable[[], Mapping[str, LinkState]],
        pending: Callable[[], UnconfirmedCommit | None],
        records: Sequence[Record[Any]],
        conflicts: Callable[[], list[AddressConflict]],
        box: BoxStatus,
    ) -> None:
        self._datapath = datapath
        self._store = store
        self._totals = counters
        self._pools = pools
        self._running = running
        self._links = links
        self._pending = pending
        self._records = records
        self._conflicts = conflicts
        self._box = box

    async def resources(self) -> Resources:
        return await asyncio.to_thread(self._resources)

    def _resources(self) -> Resources:
        maps = self._datapath.memory()
        flows, capacity = self._datapath.flow_count(), self._datapath.max_flows
        return resources.usage(self._store.folder, flows, capacity, round(maps.per_flow), maps.maps)

    def uptime(self) -> Uptime:
        entries = self._store.entries()
        return Uptime(
            now=datetime.now(UTC).isoformat(timespec="seconds"),
            box_seconds=resources.host_seconds(),
            daemon_seconds=resources.daemon_seconds(),
            committed=entries[0].metadata.time.isoformat(timespec="seconds") if entries else None,
            committed_by=entries[0].metadata.user if entries else None,
            generation=self._datapath.generation,
        )

    async def alarms(self) -> list[Alarm]:
        return await asyncio.to_thread(self._alarms)

    def _alarms(self) -> list[Alarm]:
        facts = gather()
        usage = self._datapath.address_usage()
        interfaces = interface_rows(self._running().profile, facts, self._datapath.standing())
        return self._alarm_rows(self._datapath.flow_count(), usage, interfaces, facts)

    async def drops(self) -> Drops:
        """List packets dropped, and packets passed to the stack, by reason."""
        return await asyncio.to_thread(self._drops)

    def _drops(self) -> Drops:
        return Drops(
            drops=_reason_rows(self._datapath.drops(), DROP_REASONS),
            handed_up=_reason_rows(self._datapath.passed_to_stack(), PASS_REASONS),
        )

    async def interfaces(self) -> list[InterfaceRow]:
        """List the configured interfaces with their counters."""
        return await asyncio.to_thread(self._interfaces)

    def _interfaces(self) -> list[InterfaceRow]:
        rows = interface_rows(self._running().profile, gather(), self._datapath.standing())
        counted = traffic()
        return [from_builtins({**builtins(row), **counted.get(row.name, {})}, InterfaceRow) for row in rows]

    async def overview(self, host_name: str, links: list[LinkSummary], commits: WaitingCommits) -> Overview:
        """Summarize the health of the gateway. Reads counters and gauges, not the flow table."""
        return await asyncio.to_thread(lambda: self._overview(gather(), host_name, links, commits))

    def _overview(
        self, facts: Facts, host_name: str, links: list[LinkSummary], commits: WaitingCommits
    ) -> Overview:
        now, before = self._totals.look()
        profile = self._running().profile
        outside = [name for name, one in profile.interfaces.items() if one.role == "outside"]
        interfaces = interface_rows(profile, facts, self._datapath.standing())
        return Overview(
            seconds=round(now.at - before.at, 2) if before else None,
            traffic=totals.traffic(now, before, outside),
            flows=now.flows,
            capacity=self._datapath.max_flows,
            drops=totals.reasons(now, before, "drops"),
            handed_up=totals.reasons(now, before, "handed_up"),
            processor=totals.processor(now, before),
            pools=self._pools.rows(now.usage, most=0),
            interfaces=interfaces,
            alarms=self._alarm_rows(now.flows, now.usage, interfaces, facts),
            host_name=host_name,
            links=links,
            pending=commits.pending,
            scheduled=commits.scheduled,
        )

    def _alarm_rows(
        self, flows: int, usage: Usage, interfaces: list[InterfaceSummary], facts: Facts
    ) -> list[Alarm]:
        plan = self._running()
        modes: dict[str, Mode] = {row.name: row.hook for row in interfaces if row.hook}
        return alarm_rows(
            AlarmInputs(
                plan=plan,
                flows=flows,
                capacity=self._datapath.max_flows,
                pools=pool_uses(plan.image, usage),
                interfaces=interfaces,
                links=self._links(),
                damaged=len(self._store.damaged),
                pending=self._pending(),
                fallback=self._store.fallback,
                pins=self._datapath.pins_fault(),
                set_aside=[loss for record in self._records if (loss := record.loss)],
                conflicts=self._conflicts(),
                forwarding=facts.forwarding,
                box=self._box.findings(modes),
            )
        )


def _reason_rows(counts: Mapping[str, Count], help_texts: Mapping[str, str]) -> list[Reason]:
    """List every reason, including those that never counted."""
    return [
        Reason(name, help_texts.get(name, ""), count.packets, count.bytes) for name, count in counts.items()
    ]
