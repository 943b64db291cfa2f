# SPDX-License-Identifier: Apache-2.0
"""Endpoint-independent mappings: which external endpoint a subscriber's port has, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual.binding import Binding

from snatsh.api.mappings import MAPPING_FIELDS, MappingRow
from snatsh.client import Client, ClientError
from snatsh.shell.render.text import count, duration
from snatsh.tui.context import background, console_of
from snatsh.tui.screens.flows import FlowsScreen, query_of
from snatsh.tui.screens.tables import Part, TableScreen
from snatsh.tui.widgets.dialogs import Question
from snatsh.tui.widgets.table import TableColumn


class MappingsScreen(TableScreen[MappingRow]):
    NAME = "mappings"
    WHAT = "mappings"
    EMPTY = "no endpoint-independent mappings"
    FIELDS = MAPPING_FIELDS
    BINDINGS = [
        Binding("enter", "flows", "Flows", id="mappings.flows"),
        Binding("x", "clear", "Clear", id="mappings.clear"),
        Binding("escape,m", "back", "Back to the flows", id="mappings.back"),
    ]

    def columns(self) -> Sequence[TableColumn[MappingRow]]:
        return (
            TableColumn("proto", lambda row: row.protocol, 5, sort="protocol"),
            TableColumn("inside", lambda row: f"{row.source}:{row.source_port}", 0, sort="source"),
            TableColumn("mapped to", lambda row: f"{row.mapped}:{row.mapped_port}", 0, sort="mapped"),
            TableColumn("rule", lambda row: str(row.rule), 6, True, "rule"),
            TableColumn("flows", lambda row: count(row.flows), 7, True, "flows"),
            TableColumn("age", lambda row: duration(row.age), 6, True, "age"),
            TableColumn("ends in", lambda row: duration(row.expires), 7, True, "expires"),
        )

    def first_sort(self) -> str:
        return "source"

    def key(self, row: MappingRow) -> tuple[str, int, str]:
        return row.mapped, row.mapped_port, row.protocol

    def filter_hint(self) -> str:
        return "text  !text  source=10.0.0.0/8 mapped= protocol= port= rule= pool= age="

    def part(self, client: Client, offset: int, limit: int) -> Part[MappingRow]:
        query: dict[str, str | int] = {"offset": offset, **query_of(self.filter)}
        if self.table.turned:
            query["turned"] = "yes"
        listing = client.mappings(query, limit=limit, sort=self.table.sort)
        return Part(listing.mappings, listing.matched, offset, listing.total)

    async def action_back(self) -> None:
        if self.filter:
            self.filter = ""
            self.table.to_start()
            self.look()
        else:
            await self.app.switch_mode("flows")

    async def action_flows(self) -> None:
        row = self.table.current
        if row is not None:
            await self.app.switch_mode("flows")
            if isinstance(self.app.screen, FlowsScreen):
                self.app.screen.show_matching(_words(row))

    def action_clear(self) -> None:
        if console_of(self.app).state.role == "view":
            self.complain("clear: role is view, expected operator")
        elif self.table.current is not None:
            background(self, self._clear(self.table.current), "clear")

    async def _clear(self, row: MappingRow) -> None:
        text = f"{row.source}:{row.source_port} as {row.mapped}:{row.mapped_port} ({row.protocol})"
        if not await self.app.push_screen_wait(Question(f"End this mapping with its flows: {text}?")):
            return
        try:
            ended = await asyncio.to_thread(console_of(self.app).client.end_mappings, _words(row))
        except ClientError as error:
            self.complain(str(error))
        else:
            self.notify(f"{ended} mapping{'' if ended == 1 else 's'} ended", markup=False)
            self.look()


def _words(row: MappingRow) -> dict[str, str | int]:
    """The filter that selects this mapping, and its flows."""
    return {"mapped": row.mapped, "mapped_port": row.mapped_port, "protocol": row.protocol}
