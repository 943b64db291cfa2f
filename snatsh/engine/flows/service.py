# SPDX-License-Identifier: Apache-2.0
"""The flow table for consoles: listings, top talkers, single flows, and ending flows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snatsh.api.flows import Flow, FlowKey, Talker
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows import query as flow_query
from snatsh.engine.flows.filters import parse_filter
from snatsh.engine.flows.keys import rows_of_keys
from snatsh.engine.flows.query import DEFAULT_LIMIT, Flows
from snatsh.engine.flows.table_reader import TableReader
from snatsh.engine.host.facts import interface_names
from snatsh.engine.worker import ChangeWorker

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath


@dataclass(frozen=True, slots=True)
class SelectedFlows:
    """total: live flows. matched: those that the filter matches. capacity: flows there is room for."""

    total: int
    matched: int
    capacity: int
    flows: Flows

    def rows(self) -> Iterator[Flow]:
        """Format the flows one by one: there may be millions."""
        return flow_query.rows(self.flows, interface_names())


class FlowService:
    """running: the plan that the datapath runs."""

    def __init__(
        self, datapath: Datapath, table: TableReader, worker: ChangeWorker, running: Callable[[], Plan]
    ) -> None:
        self._datapath = datapath
        self._table = table
        self._worker = worker
        self._running = running

    async def listing(self, query: Mapping[str, str]) -> SelectedFlows:
        """List flows. query: a filter, `limit` and `sort`."""
        words = dict(query)
        limit = flow_query.parse_limit(words.pop("limit", str(DEFAULT_LIMIT)))
        sort = flow_query.parse_sort(words.pop("sort")) if "sort" in words else None
        wanted = parse_filter(words, self._running())
        capacity = self._datapath.max_flows

        def select(table: Flows) -> SelectedFlows:
            matching = wanted.select(table)
            return SelectedFlows(len(table), len(matching), capacity, flow_query.first(matching, limit, sort))

        return await self._table.with_table(select)

    async def talkers(self, query: Mapping[str, str]) -> list[Talker]:
        """List the subscribers with the most bytes. query: a filter and `limit`."""
        words = dict(query)
        limit = flow_query.parse_limit(words.pop("limit", "10"))
        wanted = parse_filter(words, self._running())
        return await self._table.with_table(lambda table: flow_query.talkers(wanted.select(table), limit))

    async def find(self, key: FlowKey) -> Flow | None:
        """Look up one flow as it is now."""
        rows = rows_of_keys([key])
        found = await asyncio.to_thread(self._datapath.flows_again, rows)
        return next(flow_query.rows(found, interface_names()), None)

    async def end(self, query: Mapping[str, str]) -> int:
        """End the flows that a filter matches. Return the number of flows ended."""
        wanted = parse_filter(query, self._running())
        datapath = self._datapath
        return await self._worker.run(lambda: datapath.end_flows(wanted.select(datapath.flows())))

    async def end_selected(self, keys: Sequence[FlowKey]) -> int:
        """End these flows. Return the number of flows ended."""
        rows = rows_of_keys(keys)
        return await self._worker.run(lambda: self._datapath.end_flows(rows))
