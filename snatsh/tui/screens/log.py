# SPDX-License-Identifier: Apache-2.0
"""What happened: commits, links, pools, and what snatd itself said; newest first, live."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from textual.binding import Binding

from snatsh.client import Client, Refused
from snatsh.tui.context import console_of
from snatsh.tui.screens.tables import LocalTable
from snatsh.tui.widgets.dialogs import TextView, plain_lines
from snatsh.tui.widgets.table import Cell, Row, TableColumn

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


def _kind(text: str) -> str:
    word = text.split(" ", 1)[0]
    if word in ("link", "pool"):
        return word
    return "commit" if "commit" in text else "notice"


class LogScreen(LocalTable):
    NAME = "log"
    WHAT = "entries"
    EMPTY = "nothing happened yet"
    BINDINGS = [Binding("enter", "details", "Read", id="log.details")]

    def columns(self) -> Sequence[TableColumn]:
        return (
            TableColumn("time (UTC)", lambda row: row["time"][:19].replace("T", " "), 19, sort="time"),
            TableColumn("what", self._what, 8, sort="kind"),
            TableColumn("text", lambda row: row["text"], 0, sort="text"),
        )

    def _what(self, row: Row) -> Cell:
        return row["kind"], _STYLES.get(row["kind"], "plain")

    def first_sort(self) -> str:
        return "time"

    def rising(self) -> frozenset[str]:
        return frozenset({"kind", "text"})

    def key(self, row: Row) -> Any:
        return row["time"], row["text"]

    def rows(self, client: Client) -> Sequence[Row]:
        rows = [
            {"time": one["time"], "kind": _kind(one["text"]), "text": one["text"]}
            for one in client.notices(after=1)["notices"]
        ]
        for entry in client.history():
            comment = f": {entry['comment']}" if entry["comment"] else ""
            text = f"commit by {entry['user']} via {entry['method']}{comment}"
            rows.append({"time": entry["time"], "kind": "commit", "text": text})
        told = {row["text"] for row in rows}  # which snatd logs as well
        said = map(_said, client.log("messages")["lines"])
        rows += [row for row in said if row["text"] not in told]
        with suppress(Refused):  # who may only look is not shown who did what
            rows += [_done(entry) for entry in client.log("audit")["entries"]]
        return [*rows, *self._own()]

    def _own(self) -> list[Row]:
        """Errors of this console, which snatd knows nothing of."""
        console = console_of(self.app)
        console.state.faulty = False
        return [
            {"time": one.time, "kind": "console", "text": one.text, "trace": one.trace}
            for one in console.faults.kept
        ]

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            shown = [row["text"], *([row["trace"]] if "trace" in row else [])]
            self.app.push_screen(TextView(f"{row['time']} {row['kind']}", plain_lines("\n\n".join(shown))))


def _said(line: str) -> Row:
    """A line of snatd's own log: time, level, text."""
    time, rest = line[:19].replace(" ", "T"), line[20:]
    level, _, text = rest.partition(": ")
    return {"time": time, "kind": level if level in ("error", "warning") else "snatd", "text": text}


def _done(entry: dict[str, Any]) -> Row:
    kind = "command" if "command" in entry else "request"
    asked = " ".join(str(entry.get(name, "")) for name in ("method", "path", "detail"))
    what = entry.get("command") or asked
    text = f"{entry.get('user', '')}: {what.strip()} ({entry.get('result', '')})"
    return {"time": str(entry.get("time", "")), "kind": kind, "text": text}
