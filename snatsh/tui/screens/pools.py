# SPDX-License-Identifier: Apache-2.0
"""Pools: usage, peak, forecast, a heat map of the addresses and the top subscribers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from textual.containers import Horizontal
from textual.widget import Widget

from snatsh.api.flows import FlowGroup
from snatsh.api.pools import POOL_FIELDS, LivePool
from snatsh.client import Client
from snatsh.shell.render.text import count, duration
from snatsh.tui.screens.tables import Caption, LocalTable, Part
from snatsh.tui.widgets.graph import level, meter, percent
from snatsh.tui.widgets.heat import heat_lines
from snatsh.tui.widgets.lines import Line
from snatsh.tui.widgets.panel import Panel
from snatsh.tui.widgets.table import Cell, Table, TableColumn

_WHO = 8


def _share(share: float) -> Cell:
    return percent(share), level(share) if share else "dim"


def _forecast(row: LivePool) -> Cell:
    if row.forecast is None:
        return "-", "dim"
    return duration(row.forecast), "bad" if row.forecast < 3600 else "warn"


class PoolsScreen(LocalTable[LivePool]):
    NAME = "pools"
    WHAT = "pools"
    EMPTY = "no pools"
    FIELDS = POOL_FIELDS
    DEFAULT_CSS = """
    PoolsScreen #table { height: 1fr; min-height: 4; }
    PoolsScreen #below { height: 2fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.users: list[FlowGroup] = []

    def body(self) -> Iterable[Widget]:
        yield Caption()
        yield self.table
        with Horizontal(id="below"):
            yield Panel("Addresses", self._addresses, id="addresses")
            yield Panel("Heat map and top subscribers", self._heat, id="heat")

    def columns(self) -> Sequence[TableColumn[LivePool]]:
        return (
            TableColumn("pool", lambda row: row.name, 0, sort="name"),
            TableColumn("fill", lambda row: _share(row.fill), 5, True, "fill"),
            TableColumn("peak", lambda row: _share(row.peak), 5, True, "peak"),
            TableColumn("full in", _forecast, 8, True, "forecast"),
            TableColumn("tcp", lambda row: count(row.active.tcp), 9, True),
            TableColumn("udp", lambda row: count(row.active.udp), 9, True),
            TableColumn("icmp", lambda row: count(row.active.icmp), 7, True, from_width=78),
            TableColumn("addresses", lambda row: count(row.addresses), 9, True, "addresses", 100),
            TableColumn("ports", lambda row: row.ports, 11, True, from_width=100),
            TableColumn(
                "refused",
                lambda row: (count(row.exhausted), "bad" if row.exhausted else "dim"),
                8,
                True,
                "exhausted",
            ),
            TableColumn(
                "peak at", lambda row: row.peak_at[5:16].replace("T", " ") or "-", 11, True, from_width=120
            ),
        )

    def first_sort(self) -> str:
        return "fill"

    def key(self, row: LivePool) -> str:
        return row.name

    def rows(self, client: Client) -> Sequence[LivePool]:
        return client.live_pools()

    def part(self, client: Client, offset: int, limit: int) -> Part[LivePool]:
        part = super().part(client, offset, limit)
        row = self._chosen(part.rows, offset)
        if row is not None:
            query: dict[str, str | int] = {"sort": "flows", "limit": _WHO, "pool": row.name}
            self.users = client.live_groups("subscriber", query).groups
        return part

    def _chosen(self, rows: Sequence[LivePool], offset: int) -> LivePool | None:
        at = self.table.cursor - offset
        return rows[at] if 0 <= at < len(rows) else rows[0] if rows else None

    def show(self, data: Part[LivePool]) -> None:
        super().show(data)
        for panel in self.query(Panel):
            panel.redraw()
        current = self.table.current
        if current is not None:
            self.query_one("#addresses", Panel).border_title = f"Addresses of {current.name}, fullest first"
            self.query_one("#heat", Panel).border_title = f"Heat map of {current.name} and top subscribers"

    def on_table_chosen(self, event: Table.Chosen) -> None:
        event.stop()
        self.look()

    def _pool(self) -> LivePool | None:
        return self.table.current

    def _addresses(self, width: int, height: int) -> Iterator[Line]:
        pool = self._pool()
        if pool is None:
            return
        for row in pool.usage[: height - 1 if len(pool.usage) > height else height]:
            counts = f" {count(row.tcp):>6} {count(row.udp):>6} {count(row.icmp):>5}" if width >= 52 else ""
            yield [
                (f"{row.address:<15} ", "plain"), *meter(row.fill, max(10, width - 16 - len(counts))),
                (counts, "dim"),
            ]  # fmt: skip
        if not pool.usage:
            yield [("no address used", "dim")]
        elif len(pool.usage) > height:
            yield [(f"… and {len(pool.usage) - height + 1} less used", "dim")]

    def _heat(self, width: int, height: int) -> Iterator[Line]:
        pool = self._pool()
        if pool is None:
            return
        users = self.users[: max(0, min(_WHO, height - 4))]
        yield from heat_lines(pool.heat, width, max(2, height - len(users) - 1))
        if users:
            yield [("top subscribers", "title")]
        for user in users:
            yield [(f"{user.name:<16}", "plain"), (f"{count(user.flows):>9} flows", "dim")]
