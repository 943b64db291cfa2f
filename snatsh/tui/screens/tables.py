# SPDX-License-Identifier: Apache-2.0
"""Screens with a table: filter, sort, freeze, export. Of a large table only the visible rows are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from textual.binding import Binding
from textual.widget import Widget

from snatsh.api.codec import builtins
from snatsh.api.fields import FieldTable
from snatsh.client import Client, ClientError
from snatsh.model.errors import SnatshError
from snatsh.tui import export
from snatsh.tui.context import background, console_of
from snatsh.tui.screens.base import LiveScreen
from snatsh.tui.widgets.dialogs import Ask
from snatsh.tui.widgets.lines import Line, Lines
from snatsh.tui.widgets.prompt import Prompt
from snatsh.tui.widgets.table import Table, TableColumn

R = TypeVar("R")
FROZEN_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Part(Generic[R]):
    """Rows from `offset` on, of `total` that match, of `of` in all. note: shown above the table."""

    rows: Sequence[R]
    total: int
    offset: int
    of: int
    note: str = ""


class Caption(Lines):
    DEFAULT_CSS = "Caption { height: 1; }"

    def __init__(self) -> None:
        super().__init__(id="caption")
        self.line: Line = []

    def draw(self, width: int, height: int) -> Iterable[Line]:
        yield self.line


class TableScreen(LiveScreen, Generic[R]):
    """`part` fetches rows; `columns` says how they are shown, `FIELDS` how they are ordered."""

    FIELDS: ClassVar[FieldTable] = FieldTable()

    BINDINGS = [
        Binding("slash", "filter", "Filter", id="screen.filter", priority=True),
        Binding("less_than_sign,left", "sort(-1)", "Sort", id="table.sort-left"),
        Binding(
            "greater_than_sign,right", "sort(1)", "Sort by the next column", show=False, id="table.sort-right"
        ),
        Binding("r", "reverse", "Reverse", show=False, id="table.reverse"),
        Binding("f", "freeze", "Freeze", id="screen.freeze"),
        Binding("e", "export", "Export", id="table.export"),
    ]
    WHAT = "rows"
    EMPTY = "nothing"

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""
        self.table: Table[R] = Table(self.columns(), self.key, self.EMPTY, id="table")
        self.table.sort = self.first_sort()
        self.table.fields = self.FIELDS

    def body(self) -> Iterable[Widget]:
        yield Caption()
        yield self.table

    def on_mount(self) -> None:
        super().on_mount()
        self.table.focus()

    def columns(self) -> Sequence[TableColumn[R]]:
        raise NotImplementedError

    def first_sort(self) -> str:
        return next((column.sort for column in self.columns() if column.sort), "")

    def key(self, row: R) -> Any:
        """Return what identifies a row."""
        raise NotImplementedError

    def part(self, client: Client, offset: int, limit: int) -> Part[R]:
        """Return a range of rows. Blocks."""
        raise NotImplementedError

    # Queries

    def fetch(self, client: Client) -> Part[R]:
        return self.part(client, self.table.first, self.table.room)

    def show(self, data: Part[R]) -> None:
        if self.frozen:
            begin = self.table.first - data.offset
            self.table.fill(data.rows[begin : begin + self.table.room], data.total, self.table.first)
        else:
            self.table.fill(data.rows, data.total, data.offset)
        caption = self.query_one(Caption)
        matched = f"{data.total:,} of {data.of:,}" if data.total != data.of else f"{data.of:,}"
        caption.line = [
            (f" {matched} {self.WHAT}", "title"),
            (f"  by {self.table.sort} {self.table.arrow}", "dim") if self.table.sort else ("", "dim"),
            (f"  filter {self.filter}", "marked") if self.filter else ("", "dim"),
            (f"  {len(self.table.marked)} marked", "marked") if self.table.marked else ("", "dim"),
            (f"  {data.note}" if data.note else "", "dim"),
        ]
        caption.redraw()

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        if self.frozen and self.data is not None:
            self.show(self.data)
        else:
            self.look()

    def action_freeze(self) -> None:
        if self.frozen:
            super().action_freeze()
        else:
            background(self, self._hold(), "look")

    async def _hold(self) -> None:
        """Fetch the rows to scroll through, then freeze."""
        try:
            data: Part[R] = await asyncio.to_thread(self.part, console_of(self.app).client, 0, FROZEN_ROWS)
        except ClientError as error:
            self.complain(str(error))
            return
        if data.total > FROZEN_ROWS:
            data = Part(data.rows, FROZEN_ROWS, 0, data.of, f"frozen: the first {FROZEN_ROWS:,}")
        self.data = data
        if not self.frozen:
            super().action_freeze()
        self.table.go(min(self.table.cursor, max(0, data.total - 1)))
        self.show(data)

    # Order and filter

    def orders(self) -> list[str]:
        visible = [column.sort for column, _ in self.table.columns_at(self.table.content_size.width)]
        return [sort for sort in visible if sort]

    def action_sort(self, step: int) -> None:
        orders = self.orders()
        if orders:
            at = orders.index(self.table.sort) if self.table.sort in orders else 0
            self.order(orders[(at + step) % len(orders)], turned=False)

    def action_reverse(self) -> None:
        self.order(self.table.sort, turned=not self.table.turned)

    def on_table_titled(self, event: Table.Titled) -> None:
        event.stop()
        self.order(event.sort, turned=event.sort == self.table.sort and not self.table.turned)

    def order(self, sort: str, *, turned: bool) -> None:
        self.table.sort, self.table.turned = sort, turned
        self.table.to_start()
        self.table.redraw()
        self.look()

    def open_filter(self) -> None:
        hint = self.filter_hint()
        self.query_one(Prompt).open("/", self.filter, hint, self._back)

    def _back(self) -> None:
        self.table.focus()

    def filter_hint(self) -> str:
        return "text, or !text for rows without it; empty for all rows"

    def on_prompt_entered(self, event: Prompt.Entered) -> None:
        if event.kind == "/":
            event.stop()
            self.filter = event.text.strip().removeprefix("/")
            self.table.to_start()
            self.look()

    # Export

    def action_export(self) -> None:
        background(self, self._export(), "export")

    async def _export(self) -> None:
        name = await self.app.push_screen_wait(Ask("Export to file (.csv or .json):", f"{self.NAME}.csv"))
        if not name:
            return
        try:
            rows = await export.all_rows(
                self.part if not self.frozen else None, self.data, console_of(self.app).client
            )
            size = await export.write(console_of(self.app).client, name, rows)
        except SnatshError as error:
            self.complain(str(error))
        else:
            self.notify(f"{len(rows):,} rows, {size:,} bytes in {name}; see `file show {name}`", markup=False)


class LocalTable(TableScreen[R]):
    """A table that is fetched whole."""

    def rows(self, client: Client) -> Sequence[R]:
        raise NotImplementedError

    def part(self, client: Client, offset: int, limit: int) -> Part[R]:
        rows = list(self.rows(client))
        found = [row for row in rows if matches(row, self.filter)]
        if sort := self.table.sort:
            falling = self.FIELDS.is_descending(sort, reversed_=self.table.turned)
            found = ordered(found, lambda row: getattr(row, sort), falling=falling)
        offset = min(offset, max(0, len(found) - 1))
        return Part(found[offset : offset + limit], len(found), offset, len(rows))


def matches(row: object, text: str) -> bool:
    """Whether a row matches a filter of `field=value`, `text` and `!text` words."""
    values = builtins(row)
    everything = " ".join(str(value) for value in values.values()).lower()
    for word in text.lower().split():
        name, equals, value = word.partition("=")
        if equals and name in values:
            if str(values[name]).lower() != value:
                return False
        elif word.startswith("!"):
            if word[1:] in everything:
                return False
        elif word not in everything:
            return False
    return True


def ordered(rows: Sequence[R], value: Callable[[R], Any], *, falling: bool) -> list[R]:
    """Sort rows by a value; rows without one come last in both directions."""
    known = sorted((row for row in rows if value(row) is not None), key=value, reverse=falling)
    return [*known, *(row for row in rows if value(row) is None)]
