# SPDX-License-Identifier: Apache-2.0
"""Commit history: compare two commits, or load one into the candidate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from snatsh.api.commits import HistoryEntry
from snatsh.client import ClientError
from snatsh.tui.context import background, console_of
from snatsh.tui.difference import difference
from snatsh.tui.widgets.dialogs import Question, TextView, diff_lines
from snatsh.tui.widgets.table import Table, TableColumn

_COLUMNS: tuple[TableColumn[HistoryEntry], ...] = (
    TableColumn("commit", lambda row: str(row.number), 6, True),
    TableColumn("time (UTC)", lambda row: row.time[:19].replace("T", " "), 19),
    TableColumn("user", lambda row: row.user, 10),
    TableColumn("via", lambda row: row.method, 12),
    TableColumn("comment", lambda row: row.comment or "", 0),
)


class HistoryScreen(ModalScreen[None]):
    BINDINGS = [
        Binding("space", "mark", "Mark", id="history.mark"),
        Binding("enter,d", "compare", "Compare", id="history.compare"),
        Binding("u", "rollback", "Roll back", id="history.rollback"),
        Binding("escape,q", "leave", "Close", id="history.close"),
    ]
    DEFAULT_CSS = """
    HistoryScreen { align: center middle; }
    HistoryScreen > Vertical { width: 92%; height: 90%; border: round $primary; background: $surface;
        padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[HistoryEntry] = []
        self.table = Table(_COLUMNS, lambda row: row.number, "no commits yet", id="history")

    def compose(self) -> ComposeResult:
        with Vertical() as frame:
            frame.border_title = "History"
            frame.border_subtitle = "Space marks two, Enter compares, u rolls back, Esc closes"
            yield self.table

    async def on_mount(self) -> None:
        self.table.focus()
        try:
            self.entries = await asyncio.to_thread(console_of(self.app).client.history)
        except ClientError as error:
            self._complain(str(error))
        self._show()

    def on_table_moved(self, event: Table.Moved) -> None:
        event.stop()
        self._show()

    def _show(self) -> None:
        table = self.table
        table.fill(self.entries[table.first : table.first + table.room], len(self.entries), table.first)

    def action_mark(self) -> None:
        self.table.mark()

    def action_compare(self) -> None:
        row = self.table.current
        if row is not None:
            numbers = sorted(self.table.marked or {row.number + 1, row.number}, reverse=True)
            if len(numbers) != 2:
                self._complain("compare: mark two commits, or none to compare with the previous one")
            else:
                self._work(lambda: self._compare(*numbers))

    def _compare(self, old: int, new: int) -> None:
        client = console_of(self.app).client
        text = difference(client.committed(old), client.committed(new)) or "no difference\n"
        self.app.call_from_thread(
            self.app.push_screen, TextView(f"Commit {old} to commit {new}", diff_lines(text))
        )

    def action_rollback(self) -> None:
        background(self, self._rollback(), "history")

    async def _rollback(self) -> None:
        row = self.table.current
        if row is None or not await self.app.push_screen_wait(
            Question(f"Load commit {row.number} into the candidate? It takes effect when committed.")
        ):
            return
        try:
            await asyncio.to_thread(console_of(self.app).client.rollback, row.number)
        except ClientError as error:
            self._complain(str(error))
        else:
            self.dismiss(None)

    def _work(self, action: Callable[[], None]) -> None:
        async def work() -> None:
            try:
                await asyncio.to_thread(action)
            except ClientError as error:
                self._complain(str(error))

        background(self, work(), "history")

    def _complain(self, text: str) -> None:
        self.notify(text, severity="error", markup=False)

    def action_leave(self) -> None:
        self.dismiss(None)
