# SPDX-License-Identifier: Apache-2.0
"""Subscribers by traffic and flows, and those at their limit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding

from snatsh.api.subscribers import SUBSCRIBER_FIELDS, LiveSubscriber
from snatsh.client import Client
from snatsh.shell.render.text import count, duration, size
from snatsh.tui.screens.flows import FlowsScreen, query_of
from snatsh.tui.screens.tables import Part, TableScreen
from snatsh.tui.widgets.graph import bits, level
from snatsh.tui.widgets.table import Cell, TableColumn


class SubscribersScreen(TableScreen[LiveSubscriber]):
    NAME = "subscribers"
    WHAT = "subscribers"
    EMPTY = "no subscribers"
    FIELDS = SUBSCRIBER_FIELDS
    BINDINGS = [Binding("enter", "flows", "Flows", id="subscribers.flows")]

    def __init__(self) -> None:
        self.allowed: int | None = None
        super().__init__()

    def columns(self) -> Sequence[TableColumn[LiveSubscriber]]:
        return (
            TableColumn("subscriber", lambda row: row.name, 0, sort="name"),
            TableColumn("rate", lambda row: bits(row.rate), 9, True, "rate"),
            TableColumn("flows", lambda row: count(row.flows), 9, True, "flows"),
            TableColumn("sessions", self._sessions, 15, True, "sessions"),
            TableColumn(
                "refused",
                lambda row: (count(row.refused), "bad" if row.refused else "dim"),
                9,
                True,
                "refused",
            ),
            TableColumn("bytes", lambda row: size(row.bytes), 7, True, "bytes"),
            TableColumn("packets", lambda row: size(row.packets), 8, True, "packets"),
        )

    def _sessions(self, row: LiveSubscriber) -> Cell:
        if not self.allowed:
            return count(row.sessions)
        share = row.sessions / self.allowed
        return f"{count(row.sessions)} of {count(self.allowed)}", level(share)

    def first_sort(self) -> str:
        return "rate"

    def key(self, row: LiveSubscriber) -> str:
        return row.name

    def filter_hint(self) -> str:
        return "text  !text  source=10.0.0.0/8 rule= pool= link= state= …: counts the flows that match"

    def part(self, client: Client, offset: int, limit: int) -> Part[LiveSubscriber]:
        query: dict[str, str | int] = {
            "sort": self.table.sort,
            "offset": offset,
            "limit": limit,
            **query_of(self.filter),
        }
        if self.table.turned:
            query["turned"] = "yes"
        page = client.live_subscribers(query)
        self.allowed = page.allowed
        notes = []
        if page.allowed:
            notes.append(f"limit {count(page.allowed)} sessions")
        if page.limited:
            notes.append(f"{count(page.limited)} with refused flows")
        if page.age >= 2:
            notes.append(f"numbers as of {duration(page.age)} ago")
        return Part(page.subscribers, page.count, offset, page.count, "; ".join(notes))

    async def action_flows(self) -> None:
        row = self.table.current
        if row is not None:
            await self.app.switch_mode("flows")
            if isinstance(self.app.screen, FlowsScreen):
                self.app.screen.show_matching({"source": row.name})
