# SPDX-License-Identifier: Apache-2.0
"""The flow table, live: any order, any filter, grouped by whatever; only the rows on the screen come here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from textual.binding import Binding

from snatsh.api.flows import FLOW_FIELDS, GROUP_FIELDS, FlowGroup, FlowKey, LiveFlow
from snatsh.client import Client, ClientError
from snatsh.shell.render.text import count, duration, size
from snatsh.tui.context import background, console_of
from snatsh.tui.screens.flow import FlowScreen
from snatsh.tui.screens.tables import Part, TableScreen
from snatsh.tui.widgets.dialogs import Question
from snatsh.tui.widgets.graph import bits
from snatsh.tui.widgets.table import Cell, TableColumn

GROUPS = ("", "subscriber", "rule", "pool-address", "destination", "link")
STATES = {"established": ("estab", "good"), "unreplied": ("unrepl", "warn"), "transitory": ("trans", "plain"),
          "time-wait": ("t-wait", "dim")}  # fmt: skip


def _rate(row: LiveFlow | FlowGroup) -> Cell:
    return (bits(row.rate), "plain" if row.rate else "dim")


FLOW_COLUMNS: tuple[TableColumn[LiveFlow], ...] = (
    TableColumn("proto", lambda row: row.protocol, 5, sort="protocol"),
    TableColumn("inside", lambda row: f"{row.source}:{row.source_port}", 0, sort="source"),
    TableColumn("mapped to", lambda row: f"{row.mapped}:{row.mapped_port}", 0, sort="mapped", from_width=104),
    TableColumn(
        "destination", lambda row: f"{row.destination}:{row.destination_port}", 0, sort="destination"
    ),
    TableColumn("state", lambda row: STATES.get(row.state, (row.state, "plain")), 6, sort="state"),
    TableColumn("rate", _rate, 8, True, "rate"),
    TableColumn("bytes", lambda row: size(row.bytes_out + row.bytes_in), 6, True, "bytes"),
    TableColumn("pkts", lambda row: size(row.packets_out + row.packets_in), 6, True, "packets", 120),
    TableColumn("rule", lambda row: str(row.rule), 6, True, "rule", 120),
    TableColumn("link", lambda row: row.out_interface, 8, from_width=130),
    TableColumn("age", lambda row: duration(row.age), 6, True, "age", 90),
    TableColumn("idle", lambda row: duration(row.idle), 6, True, "idle"),
    TableColumn("ends in", lambda row: duration(row.expires), 7, True, "expires", 130),
)
GROUP_COLUMNS: tuple[TableColumn[FlowGroup], ...] = (
    TableColumn("group", lambda row: row.name, 0, sort="name"),
    TableColumn("flows", lambda row: count(row.flows), 11, True, "flows"),
    TableColumn("rate", _rate, 9, True, "rate"),
    TableColumn("bytes", lambda row: size(row.bytes), 8, True, "bytes"),
    TableColumn("packets", lambda row: size(row.packets), 8, True, "packets"),
)
_FIELDS = {"subscriber": "source", "rule": "rule", "pool-address": "mapped", "destination": "destination"}


def query_of(text: str) -> dict[str, str]:
    """Return the query of a filter: `field=value` words, and a text to find, or not with `!`."""
    words = text.split()
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    rest = " ".join(word for word in words if "=" not in word)
    return {**fields, **({"text": rest} if rest else {})}


class FlowsScreen(TableScreen[Any]):
    """Rows are LiveFlow, or FlowGroup while they are grouped."""

    NAME = "flows"
    WHAT = "flows"
    EMPTY = "no flows"
    FIELDS = FLOW_FIELDS
    BINDINGS = [
        Binding("enter", "details", "Details", id="flows.details"),
        Binding("g", "group", "Group", id="flows.group"),
        Binding("space", "mark", "Mark", id="flows.mark"),
        Binding("x", "clear", "Clear", id="flows.clear"),
        Binding("m", "app.switch_mode('mappings')", "Mappings", id="flows.mappings"),
        Binding("escape", "back", "Show all", show=False, id="flows.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.group = ""

    def columns(self) -> Sequence[TableColumn[Any]]:
        return FLOW_COLUMNS

    def first_sort(self) -> str:
        return "rate"

    def key(self, row: LiveFlow | FlowGroup) -> FlowKey | str:
        return FlowKey.of(row) if isinstance(row, LiveFlow) else row.name

    def filter_hint(self) -> str:
        return "text  !text  source=10.0.0.0/8 state=established protocol= port= rule= pool= link= age= rate="

    def part(self, client: Client, offset: int, limit: int) -> Part[Any]:
        query: dict[str, str | int] = {
            "sort": self.table.sort,
            "offset": offset,
            "limit": limit,
            **query_of(self.filter),
        }
        if self.table.turned:
            query["turned"] = "yes"
        group = self.group
        if group:
            groups = client.live_groups(group, query)
            note = self._note(groups.age, False)
            return Part(groups.groups, groups.count, offset, groups.count, note)
        page = client.live_flows(query)
        return Part(page.flows, page.matched, offset, page.total, self._note(page.age, True))

    def _note(self, age: float, fresh: bool) -> str:
        """Return how old the order is; the figures of visible flows are always current."""
        grouped = f"by {self.group}; " if self.group else ""
        if age < 2:
            return grouped.rstrip("; ")
        return f"{grouped}{'order' if fresh else 'numbers'} as of {duration(age)} ago"

    def show_matching(self, words: Mapping[str, str | int]) -> None:
        """Show the flows that a filter matches."""
        self.filter = " ".join(f"{name}={value}" for name, value in words.items())
        self._group_by("")

    # Keys

    def action_group(self) -> None:
        group = GROUPS[(GROUPS.index(self.group) + 1) % len(GROUPS)]
        self._group_by(group)

    def _group_by(self, group: str) -> None:
        self.group = group
        self.table.columns = GROUP_COLUMNS if group else FLOW_COLUMNS
        self.table.fields = GROUP_FIELDS if group else FLOW_FIELDS
        self.table.marked.clear()
        self.WHAT = f"groups by {group}" if group else "flows"
        self.table.rows = []
        self.order("rate", turned=False)

    def action_mark(self) -> None:
        if not self.group:
            self.table.mark()
            if self.data is not None:
                self.show(self.data)

    def action_back(self) -> None:
        """Clear the marks, else the grouping, else the filter."""
        if self.table.marked:
            self.table.marked.clear()
            self.table.redraw()
        elif self.group:
            self._group_by("")
        elif self.filter:
            self.filter = ""
            self.table.to_start()
            self.look()

    def action_details(self) -> None:
        row = self.table.current
        if row is None:
            return
        if not self.group:
            self.app.push_screen(FlowScreen(row))
        elif self.group in _FIELDS:
            name = _FIELDS[self.group]
            self.filter = f"{self.filter} {name}={row.name}".strip()
            self._group_by("")

    def action_clear(self) -> None:
        if self.group:
            self.complain("clear: expected flows; Enter shows those of a group")
        elif console_of(self.app).state.role == "view":
            self.complain("clear: role is view, expected operator")
        else:
            background(self, self._clear(), "clear")

    async def _clear(self) -> None:
        marked = set(self.table.marked) or ({self.key(self.table.current)} if self.table.current else set())
        if not marked:
            return
        keys: list[FlowKey] = list(marked)
        what = f"{len(keys)} marked flows" if len(keys) > 1 else f"this flow: {keys[0].text}"
        if not await self.app.push_screen_wait(Question(f"End {what}?")):
            return
        try:
            ended = await asyncio.to_thread(console_of(self.app).client.end_these, keys)
        except ClientError as error:
            self.complain(str(error))
        else:
            self.table.marked.clear()
            self.notify(f"{ended} flow{'' if ended == 1 else 's'} ended", markup=False)
            self.look()
