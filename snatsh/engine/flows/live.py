# SPDX-License-Identifier: Apache-2.0
"""Pages of the live view: cut from a snapshot of the flow table that all consoles share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import asdict

from snatsh.api.flows import GROUP_FIELDS, FlowGroup, FlowPage, GroupPage, LiveFlow, SnapshotPage
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows import groups, listing
from snatsh.engine.flows import query as flow_query
from snatsh.engine.flows.filters import parse_listing
from snatsh.engine.flows.refresh import RowRefresher
from snatsh.engine.flows.snapshot import Snapshot, Snapshots
from snatsh.engine.host.facts import interface_names

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

_STALE_SECONDS = 1.2


class LiveFlows:
    """running: the plan that the datapath runs."""

    def __init__(self, datapath: Datapath, snapshots: Snapshots, running: Callable[[], Plan]) -> None:
        self._capacity = datapath.max_flows
        self._snapshots = snapshots
        self._running = running
        self._refresher = RowRefresher(datapath.flows_again)

    async def page(self, query: Mapping[str, str]) -> FlowPage:
        """Return one page of flows, as of now."""
        request = parse_listing(query, self._running())
        snapshot = await self._snapshots.latest()
        names = interface_names()

        def look() -> tuple[list[LiveFlow], int]:
            places = listing.chosen(snapshot, request, names)
            shown = listing.page(snapshot, request, places)
            rows, rates = snapshot.flows[shown], snapshot.rates[shown].astype(np.float64)
            if snapshot.age > _STALE_SECONDS:
                rows, rates = self._refresher.look(rows, rates)
            listed = [
                LiveFlow(**asdict(row), rate=int(rate))
                for row, rate in zip(flow_query.rows(rows, names), rates.tolist(), strict=True)
            ]
            return listed, len(snapshot.flows) if places is None else len(places)

        rows, matched = await asyncio.to_thread(look)
        return FlowPage(**asdict(self.head(snapshot)), matched=matched, flows=rows)

    async def grouped(self, query: Mapping[str, str]) -> GroupPage:
        """Return one page of flows summed by `by`."""
        words = dict(query)
        by = words.pop("by", "")
        request = parse_listing(words, self._running())
        snapshot = await self._snapshots.latest()
        names = interface_names()

        def look() -> tuple[list[FlowGroup], groups.Sums]:
            found = groups.sums(snapshot, request, by, names)
            name = groups.group_name(by, names)
            return groups.screenful(found, request, name, FlowGroup, GROUP_FIELDS), found

        rows, found = await asyncio.to_thread(look)
        head = asdict(self.head(snapshot))
        return GroupPage(**head, matched=found.matched, count=len(found.values), groups=rows)

    def head(self, snapshot: Snapshot) -> SnapshotPage:
        """age: seconds since the table was read. every: shortest interval between two reads."""
        return SnapshotPage(
            age=round(snapshot.age, 1),
            every=round(snapshot.due, 1),
            total=len(snapshot.flows),
            capacity=self._capacity,
        )
