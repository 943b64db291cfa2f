# SPDX-License-Identifier: Apache-2.0
"""A table that holds only the visible rows; the screen fills it and sets their offset and total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from textual.binding import Binding
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive

from snatsh.api.fields import FieldTable
from snatsh.tui.widgets.lines import Line, Lines, Piece

R = TypeVar("R")
Cell = str | Piece


@dataclass(frozen=True, slots=True)
class TableColumn(Generic[R]):
    """cell: what it shows of a row. width: 0 shares the remaining space. sort: sort key, empty for none.

    from_width: the table has to be that wide for the column to be shown.
    """

    title: str
    cell: Callable[[R], Cell]
    width: int = 0
    right: bool = False
    sort: str = ""
    from_width: int = 0


class Table(Lines, Generic[R], can_focus=True):
    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page-up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page-down"),
        Binding("home", "edge(0)", "First", show=False, id="table.first"),
        Binding("end", "edge(1)", "Last", show=False, id="table.last"),
    ]
    DEFAULT_CSS = "Table { padding: 0; }"

    cursor = reactive(0, repaint=False)

    class Moved(Message):
        """Other rows are needed."""

        def __init__(self, table: Table[Any]) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> Table[Any]:
            return self.table

    class Chosen(Message):
        """The cursor moved to another row."""

    class Titled(Message):
        """A column title was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(
        self,
        columns: Sequence[TableColumn[R]],
        key: Callable[[R], Any],
        empty: str = "nothing",
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.key = key
        self.empty = empty
        self.sort, self.turned = "", False
        self.fields = FieldTable()
        self.rows: list[R] = []
        self.total = 0
        self.first = 0
        self.marked: set[Any] = set()

    def watch_cursor(self) -> None:
        self.post_message(self.Chosen())

    # Called by screens

    @property
    def room(self) -> int:
        """Number of rows that fit."""
        return max(1, self.content_size.height - 1)

    def fill(self, rows: Sequence[R], total: int, offset: int) -> None:
        """Set the visible rows: those from `offset` on, of `total`."""
        self.rows, self.total, self.first = list(rows), total, offset
        if self.cursor >= max(1, total):
            self.cursor = max(0, total - 1)
        self.redraw()

    @property
    def arrow(self) -> str:
        """Sign of the sort direction."""
        return "▼" if self.fields.is_descending(self.sort, reversed_=self.turned) else "▲"

    def to_start(self) -> None:
        """Return to the first row after a change of sort order or filter."""
        self.first = self.cursor = 0

    @property
    def current(self) -> R | None:
        """Row under the cursor."""
        at = self.cursor - self.first
        return self.rows[at] if 0 <= at < len(self.rows) else None

    def mark(self) -> None:
        """Toggle the mark of the current row and move to the next."""
        if self.current is not None:
            self.marked ^= {self.key(self.current)}
            self.action_move(1)
            self.redraw()

    # Keys and the mouse

    def action_move(self, step: int) -> None:
        self.go(self.cursor + step)

    def action_page(self, pages: int) -> None:
        self.go(self.cursor + pages * self.room)

    def action_edge(self, last: int) -> None:
        self.go(self.total - 1 if last else 0)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)

    def on_click(self, event: Click) -> None:
        """Move the cursor to a row, or sort by a column; a second click reverses."""
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y > 0 and place.y <= len(self.rows):
            self.go(self.first + place.y - 1)
        elif place.y == 0 and (sort := self._sort_at(place.x)):
            self.post_message(self.Titled(sort))

    def _sort_at(self, x: int) -> str:
        start = 2
        for column, room in self.columns_at(self.content_size.width):
            if start <= x < start + room:
                return column.sort
            start += room + 1
        return ""

    def go(self, cursor: int) -> None:
        """Move the cursor, and request rows when it leaves the visible ones."""
        self.cursor = max(0, min(cursor, self.total - 1))
        if self.cursor < self.first:
            self.first = self.cursor
        elif self.cursor >= self.first + self.room:
            self.first = self.cursor - self.room + 1
        else:
            self.redraw()
            return
        self.post_message(self.Moved(self))

    def on_resize(self) -> None:
        super().on_resize()
        self.post_message(self.Moved(self))

    def on_focus(self) -> None:
        self.redraw()

    # Drawing

    def columns_at(self, width: int) -> list[tuple[TableColumn[R], int]]:
        """Return the columns shown at this width, with their widths."""
        shown = [column for column in self.columns if column.from_width <= width]
        fixed = sum(column.width for column in shown) + len(shown) - 1 + 2
        shares = [column for column in shown if not column.width]
        each, more = divmod(max(0, width - fixed), len(shares)) if shares else (0, 0)
        widths = []
        for column in shown:
            extra = 0
            if not column.width and more:
                extra, more = 1, more - 1
            widths.append((column, column.width or each + extra))
        return widths

    def draw(self, width: int, height: int) -> Iterable[Line]:
        columns = self.columns_at(width)
        head: list[Piece] = [("  ", "head")]
        for column, room in columns:
            sorted_by = bool(column.sort) and column.sort == self.sort
            arrow = self.arrow if sorted_by else ""
            title = _aligned(column.title[: room - len(arrow)] + arrow, room, column.right)
            head += [(title, "title" if sorted_by else "head"), (" ", "head")]
        yield head
        if not self.rows:
            yield [("  " + self.empty, "dim")]
        for at, row in enumerate(self.rows[: height - 1]):
            yield self._line(row, columns, self.first + at == self.cursor)

    def _line(self, row: R, columns: list[tuple[TableColumn[R], int]], current: bool) -> Line:
        marked = self.key(row) in self.marked
        base = "cursor" if current else "marked" if marked else ""
        sign = (">" if current else " ") + ("*" if marked else " ")
        pieces: list[Piece] = [(sign, base or "marked")]
        for column, room in columns:
            cell = column.cell(row)
            text, name = (cell, "plain") if isinstance(cell, str) else cell
            pieces.append((_aligned(text, room, column.right) + " ", base or name))
        text, name = pieces[-1]
        pieces[-1] = (text[:-1], name)
        return _merged(pieces)


def _aligned(text: str, width: int, right: bool) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…" if width > 1 else text[:width]
    return text.rjust(width) if right else text.ljust(width)


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Join adjacent pieces of the same style, which saves escape codes."""
    merged: list[Piece] = []
    for text, name in pieces:
        if merged and merged[-1][1] == name:
            merged[-1] = (merged[-1][0] + text, name)
        else:
            merged.append((text, name))
    return merged
