# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole: resources, uptime, alarms, counters, interfaces, and the live overview."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from snatsh.datapath.reasons import DROP_REASONS, HANDED_UP_REASONS
from snatsh.engine.config.commit import Plan
from snatsh.engine.config.confirm import UnconfirmedCommit
from snatsh.engine.config.history import Store
from snatsh.engine.host.facts import gather, traffic
from snatsh.engine.links.manager import LinkState
from snatsh.engine.pools.usage import Usage, pool_uses
from snatsh.engine.pools.watch import PoolWatch
from snatsh.engine.status import resources, totals
from snatsh.engine.status.alarms import AlarmInputs, alarm_rows
from snatsh.engine.status.interfaces import interface_rows
from snatsh.engine.status.totals import Totals
from snatsh.model.facts import Facts

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Count, Datapath

Row = dict[str, Any]


class StatusService:
    """running: the plan that the datapath runs. links: their states. pending: the unconfirmed commit."""

    def __init__(
        self,
        datapath: Datapath,
        store: Store,
        counters: Totals,
        pools: PoolWatch,
        running: Callable[[], Plan],
        links: Callable[[], Mapping[str, LinkState]],
        pending: Callable[[], UnconfirmedCommit | None],
    ) -> None:
        self._datapath = datapath
        self._store = store
        self._totals = counters
        self._pools = pools
        self._running = running
        self._links = links
        self._pending = pending

    async def resources(self) -> Row:
        return await asyncio.to_thread(self._resources)

    def _resources(self) -> Row:
        maps = self._datapath.memory()
        return {
            "flows": self._datapath.flow_count(),
            "flow_capacity": self._datapath.max_flows,
            "bytes_per_flow": round(maps.per_flow),
            "map_memory": maps.maps,
            **resources.daemon_usage(),
            **resources.host_usage(),
            **resources.disk_usage(self._store.folder),
        }

    def uptime(self) -> Row:
        entries = self._store.entries()
        return {
            "now": datetime.now(UTC).isoformat(timespec="seconds"),
            "box_seconds": resources.host_seconds(),
            "daemon_seconds": resources.daemon_seconds(),
            "committed": entries[0].metadata.time.isoformat(timespec="seconds") if entries else None,
            "committed_by": entries[0].metadata.user if entries else None,
            "generation": self._datapath.generation,
        }

    async def alarms(self) -> list[Row]:
        return await asyncio.to_thread(self._alarms)

    def _alarms(self) -> list[Row]:
        facts = gather()
        usage = self._datapath.address_usage()
        interfaces = interface_rows(self._running().profile, facts, self._datapath.attached())
        return self._alarm_rows(self._datapath.flow_count(), usage, interfaces)

    async def drops(self) -> Row:
        """List packets dropped, and packets passed to the stack, by reason."""
        return await asyncio.to_thread(self._drops)

    def _drops(self) -> Row:
        return {
            "drops": _reason_rows(self._datapath.drops(), DROP_REASONS),
            "handed_up": _reason_rows(self._datapath.handed_up(), HANDED_UP_REASONS),
        }

    async def interfaces(self) -> list[Row]:
        """List the configured interfaces with their counters."""
        return await asyncio.to_thread(self._interfaces)

    def _interfaces(self) -> list[Row]:
        rows = interface_rows(self._running().profile, gather(), self._datapath.attached())
        counted = traffic()
        return [{**row, **counted.get(row["name"], {})} for row in rows]

    async def overview(self) -> Row:
        """Summarize the health of the gateway. Reads counters and gauges, not the flow table."""
        return await asyncio.to_thread(lambda: self._overview(gather()))

    def _overview(self, facts: Facts) -> Row:
        now, before = self._totals.look()
        profile = self._running().profile
        outside = [name for name, one in profile.interfaces.items() if one.role == "outside"]
        interfaces = interface_rows(profile, facts, self._datapath.attached())
        return {
            "seconds": round(now.at - before.at, 2) if before else None,
            "traffic": totals.traffic(now, before, outside),
            "flows": now.flows,
            "capacity": self._datapath.max_flows,
            "drops": totals.reasons(now, before, "drops"),
            "handed_up": totals.reasons(now, before, "handed_up"),
            "processor": totals.processor(now, before),
            "pools": self._pools.rows(now.usage, most=0),
            "interfaces": interfaces,
            "alarms": self._alarm_rows(now.flows, now.usage, interfaces),
        }

    def _alarm_rows(self, flows: int, usage: Usage, interfaces: list[Row]) -> list[Row]:
        plan = self._running()
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
            )
        )


def _reason_rows(counts: Mapping[str, Count], help_texts: Mapping[str, str]) -> list[Row]:
    """List every reason, including those that never counted."""
    return [
        {"reason": name, "help": help_texts.get(name, ""), "packets": count.packets, "bytes": count.bytes}
        for name, count in counts.items()
    ]
