# SPDX-License-Identifier: Apache-2.0
"""Everything that live consoles share of one engine."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from snatsh.engine.flows.refresh import Fresh
from snatsh.engine.flows.snapshot import Snapshots
from snatsh.engine.pools.usage import pool_uses
from snatsh.engine.pools.watch import PoolWatch
from snatsh.engine.status import overview, totals, views
from snatsh.engine.status.totals import Totals

if TYPE_CHECKING:
    from snatsh.engine.engine import Engine

Row = dict[str, Any]


class LiveView:
    """snapshots: the flow table. fresh: single rows of it. totals: counters. pools: gauges over time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.snapshots = Snapshots(engine.datapath.flows, engine.listing)
        self.fresh = Fresh(engine.datapath.flows_again)
        self.totals = Totals(engine.datapath)
        self.pools = PoolWatch(engine)

    def close(self) -> None:
        self.snapshots.close()

    async def overview(self) -> Row:
        """What tells at one look whether the gateway is well. Reads counters and gauges, not the flows."""
        facts = await self._engine.facts()

        def look() -> Row:
            engine = self._engine
            now, before = self.totals.look()
            profile = engine.running.profile
            outside = [name for name, one in profile.interfaces.items() if one.role == "outside"]
            hooks = engine.datapath.attached()
            uses = pool_uses(engine.running.image, now.usage)
            interfaces = views.interface_rows(profile, facts, hooks)
            return {
                "seconds": round(now.at - before.at, 2) if before else None,
                "traffic": totals.traffic(now, before, outside),
                "flows": now.flows,
                "capacity": engine.datapath.max_flows,
                "drops": totals.reasons(now, before, "drops"),
                "handed_up": totals.reasons(now, before, "handed_up"),
                "processor": totals.processor(now, before),
                "pools": self.pools.rows(now.usage, most=0),
                "interfaces": interfaces,
                "alarms": overview.alarms(engine, now.flows, uses, interfaces),
            }

        return await asyncio.to_thread(look)

    async def rules(self) -> list[Row]:
        """Rules in the order they match, with what they do per second."""
        snapshot = await self.snapshots.latest()

        def look() -> list[Row]:
            now, before = self.totals.look()
            states = self._engine.links.states
            rows = views.rule_rows(self._engine.running, now.rules, snapshot.flows, states)
            for row in rows:
                grown = None
                if before is not None and row["number"] in now.rules:
                    grown = totals.rule_growth(now, before, row["number"])
                seconds = now.at - before.at if before else 1.0
                row["rate"] = round(8 * grown["bytes"] / seconds) if grown else None
                row["packet_rate"] = round(grown["packets"] / seconds, 1) if grown else None
                row["new_rate"] = round(grown["flows"] / seconds, 1) if grown else None
            return rows

        return await asyncio.to_thread(look)


def interface_names() -> dict[int, str]:
    return dict(socket.if_nameindex())
