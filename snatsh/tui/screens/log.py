# SPDX-License-Identifier: Apache-2.0
"""Log: commits, link and pool events, messages of snatd and the audit log, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from textual.binding import Binding

from snatsh.api.fields import Field, FieldTable, Unit
from snatsh.api.system import AuditEntry
from snatsh.client import Client, Refused
from snatsh.tui.context import console_of
from snatsh.tui.screens.tables import LocalTable
from snatsh.tui.widgets.dialogs import TextView, plain_lines
from snatsh.tui.widgets.table import Cell, TableColumn

_STYLES = {
    "commit": "title",
    "link": "warn",
    "pool": "warn",
    "error": "bad",
    "console": "bad",
    "warning": "warn",
    "command": "dim",
    "request": "dim",
}


LOG_FIELDS = FieldTable(
    Field("time", "Time", Unit.TIME), Field("kind", "What", rising=True), Field("text", "Text", rising=True)
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """time: UTC. trace: the traceback of an error of the live view."""

    time: str
    kind: str
    text: str
    trace: str = ""


class LogScreen(LocalTable[LogLine]):
    NAME = "log"
    WHAT = "entries"
    EMPTY = "no entries"
    FIELDS = LOG_FIELDS
    BINDINGS = [Binding("enter", "details", "Read", id="log.details")]

    def columns(self) -> Sequence[TableColumn[LogLine]]:
        return (
            TableColumn("time (UTC)", lambda row: row.time[:19].replace("T", " "), 19, sort="time"),
            TableColumn("what", self._what, 8, sort="kind"),
            TableColumn("text", lambda row: row.text, 0, sort="text"),
        )

    def _what(self, row: LogLine) -> Cell:
        return row.kind, _STYLES.get(row.kind, "plain")

    def first_sort(self) -> str:
        return "time"

    def key(self, row: LogLine) -> tuple[str, str]:
        return row.time, row.text

    def rows(self, client: Client) -> Sequence[LogLine]:
        rows = [LogLine(one.time, one.kind, one.text) for one in client.notices(after=1).notices]
        for entry in client.history():
            comment = f": {entry.comment}" if entry.comment else ""
            text = f"commit by {entry.user} via {entry.method}{comment}"
            rows.append(LogLine(entry.time, "commit", text))
        logged = {row.text for row in rows}  # snatd logs these as well
        said = map(_said, client.messages().lines)
        rows += [row for row in said if row.text not in logged]
        with suppress(Refused):  # the audit log requires a higher role
            rows += [_done(entry) for entry in client.audit().entries]
        return [*rows, *self._own()]

    def _own(self) -> list[LogLine]:
        """Return the errors of the live view itself."""
        console = console_of(self.app)
        console.state.faulty = False
        return [LogLine(one.time, "console", one.text, one.trace) for one in console.faults.kept]

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            shown = [row.text, *([row.trace] if row.trace else [])]
            self.app.push_screen(TextView(f"{row.time} {row.kind}", plain_lines("\n\n".join(shown))))


def _said(line: str) -> LogLine:
    """Return a line of the snatd log as an entry."""
    time, rest = line[:19].replace(" ", "T"), line[20:]
    level, _, text = rest.partition(": ")
    return LogLine(time, level if level in ("error", "warning") else "snatd", text)


def _done(entry: AuditEntry) -> LogLine:
    kind = "request" if entry.command is None else "command"
    return LogLine(entry.time, kind, f"{entry.user}: {entry.action} ({entry.result})")
