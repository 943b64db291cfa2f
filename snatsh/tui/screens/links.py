# SPDX-License-Identifier: Apache-2.0
"""Links: state, probe round-trip times, loss, state changes and rules failed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from textual.containers import Horizontal
from textual.widget import Widget

from snatsh.api.links import LINK_FIELDS, LinkChange, LinkRow, LinkSeries
from snatsh.client import Client
from snatsh.tui.screens.dashboard import LINK_SIGNS
from snatsh.tui.screens.tables import Caption, LocalTable, Part
from snatsh.tui.widgets.graph import graph
from snatsh.tui.widgets.lines import Line
from snatsh.tui.widgets.panel import Panel
from snatsh.tui.widgets.table import Cell, Table, TableColumn

_CHANGES = 60


def _loss(row: LinkRow) -> Cell:
    if row.loss is None:
        return "-", "dim"
    return f"{row.loss:g}%", "bad" if row.loss >= 10 else "warn" if row.loss else "good"


class LinksScreen(LocalTable[LinkRow]):
    NAME = "links"
    WHAT = "links"
    EMPTY = "no links configured"
    FIELDS = LINK_FIELDS
    DEFAULT_CSS = """
    LinksScreen #table { height: 1fr; min-height: 4; }
    LinksScreen #below { height: 2fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.series: dict[str, LinkSeries] = {}
        self.changes: list[LinkChange] = []

    def body(self) -> Iterable[Widget]:
        yield Caption()
        yield self.table
        with Horizontal(id="below"):
            yield Panel("Probes", self._probes, id="probes")
            yield Panel("State changes", self._changes, id="changes")

    def columns(self) -> Sequence[TableColumn[LinkRow]]:
        return (
            TableColumn("link", lambda row: row.name, 0, sort="name"),
            TableColumn(
                "state", lambda row: LINK_SIGNS.get(row.state, (row.state, "warn")), 10, sort="state"
            ),
            TableColumn("since", lambda row: row.since[5:19].replace("T", " "), 14, sort="since"),
            TableColumn(
                "rtt", lambda row: f"{row.rtt:.1f}ms" if row.rtt is not None else "-", 8, True, "rtt"
            ),
            TableColumn("loss", _loss, 5, True, "loss"),
            TableColumn("by", lambda row: row.interface, 8, from_width=78),
            TableColumn("next hop", lambda row: row.next_hop, 15, from_width=100),
            TableColumn("failed over", lambda row: _numbers(row.failed_over), 14),
            TableColumn("why", lambda row: row.reason, 0, from_width=120),
        )

    def first_sort(self) -> str:
        return "name"

    def key(self, row: LinkRow) -> str:
        return row.name

    def rows(self, client: Client) -> Sequence[LinkRow]:
        self.series = {row.name: row for row in client.link_series()}
        self.changes = client.link_changes(limit=_CHANGES)
        return client.links()

    def show(self, data: Part[LinkRow]) -> None:
        super().show(data)
        for panel in self.query(Panel):
            panel.redraw()

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        for panel in self.query(Panel):
            panel.redraw()

    def _probes(self, width: int, height: int) -> Iterator[Line]:
        row = self.table.current
        if row is None:
            return
        self.query_one("#probes", Panel).border_title = f"Probes of {row.name}"
        if row.reason:
            yield [(row.reason, "good" if row.state == "up" else "warn")]
        if row.failed_over:
            yield [(f"rules failed over: {_numbers(row.failed_over)}", "warn")]
        found = self.series.get(row.name)
        if found is None:
            yield [("no monitor: state follows the interface", "dim")]
            return
        room = max(1, (height - 2) // max(1, len(found.targets)) - 1)
        for target in found.targets:
            results = target.results
            lost = sum(result is None for result in results)
            sign, style = ("● replies", "good") if target.up else ("✗ no reply", "bad")
            yield [
                (f"{target.kind} {target.address} ", "plain"), (sign, style),
                (f"  {lost} of {len(results)} lost", "warn" if lost else "dim"),
            ]  # fmt: skip
            for at, line in enumerate(graph(results, width, room)):
                gaps = "".join(
                    "x" if at == room - 1 and result is None else " " for result in results[-width:]
                ).rjust(width)
                merged = "".join(x if x == "x" else g for x, g in zip(gaps, line, strict=True))
                yield [(merged, "graph")]

    def _changes(self, width: int, height: int) -> Iterator[Line]:
        for one in self.changes[:height]:
            yield [
                (one.time[5:19].replace("T", " ") + " ", "dim"),
                (f"{one.link} ", "plain"),
                LINK_SIGNS.get(one.state, (one.state, "warn")),
                (f" {one.reason}", "dim"),
            ]
        if not self.changes:
            yield [("no changes", "dim")]


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) if numbers else "-"
