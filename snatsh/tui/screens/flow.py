# SPDX-License-Identifier: Apache-2.0
"""One flow: both tuples, rule, link, time left, and its rates over time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from snatsh.client import ClientError, Flow
from snatsh.shell.render.text import count, duration, size
from snatsh.tui.context import background, console_of
from snatsh.tui.widgets.graph import bits, graph
from snatsh.tui.widgets.lines import Line
from snatsh.tui.widgets.panel import Panel
from snatsh.tui.widgets.table import Row

KEY = ("source", "source_port", "destination", "destination_port", "protocol")


class FlowScreen(ModalScreen[None]):
    BINDINGS = [Binding("escape,q,enter", "leave", "Close", id="flow.close")]
    DEFAULT_CSS = """
    FlowScreen { align: center middle; }
    FlowScreen > Vertical { width: 76; max-width: 100%; height: 20; max-height: 100%; background: $surface; }
    """

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        self.ended = False
        self._rates: dict[str, deque[float | None]] = {way: deque(maxlen=300) for way in ("out", "in")}
        self._before: tuple[float, Row] | None = None
        self._busy = False

    def compose(self) -> ComposeResult:
        with Vertical():
            panel = Panel("Flow", self._lines, id="flow")
            panel.border_subtitle = "Esc closes"
            yield panel

    def on_mount(self) -> None:
        self.look()
        self.set_interval(console_of(self.app).interval, self.look)

    def look(self) -> None:
        if not self._busy:
            self._busy = True
            background(self, self._look(), "flow")

    async def _look(self) -> None:
        try:
            client = console_of(self.app).client
            found = await asyncio.to_thread(client.live_flow, {name: self.row[name] for name in KEY})
        except ClientError as error:
            self._tell(str(error))
            return
        finally:
            self._busy = False
        self._tell("Esc closes")
        self._note(found)
        self.query_one(Panel).redraw()

    def _tell(self, text: str) -> None:
        self.query_one(Panel).border_subtitle = text

    def _note(self, found: Flow | None) -> None:
        self.ended = found is None
        if found is None:
            return
        now = found["age"]  # the gateway's own clock: right in a recording too
        if self._before is not None and now > self._before[0]:
            at, before = self._before
            for way, series in self._rates.items():
                grown = found[f"bytes_{way}"] - before[f"bytes_{way}"]  # type: ignore[literal-required]
                series.append(8 * max(0, grown) / max(now - at, 0.1))
        self.row = {**self.row, **found}
        self._before = now, self.row

    def _lines(self, width: int, height: int) -> Iterator[Line]:
        row = self.row
        state = (
            ("ended", "bad")
            if self.ended
            else (row["state"], "good" if row["state"] == "established" else "warn")
        )
        yield [("protocol  ", "dim"), (f"{row['protocol']:<8}", "plain"), ("state ", "dim"), state]
        yield [
            ("inside    ", "dim"),
            (_pair(row, "source"), "plain"),
            ("  →  ", "dim"),
            (_pair(row, "destination"), "plain"),
        ]
        yield [
            ("outside   ", "dim"),
            (_pair(row, "mapped"), "plain"),
            ("  ←  ", "dim"),
            (_pair(row, "destination"), "plain"),
        ]
        yield [
            ("rule      ", "dim"), (f"{row['rule']:<8}", "plain"), ("leaves by ", "dim"),
            (row["out_interface"] or "-", "plain"),
        ]  # fmt: skip
        yield [
            ("age       ", "dim"), (f"{duration(row['age']):<8}", "plain"), ("idle ", "dim"),
            (f"{duration(row['idle']):<8}", "plain"), ("ends in ", "dim"),
            ("-" if self.ended else duration(row["expires"]), "plain"),
        ]  # fmt: skip
        yield []
        room = max(1, (height - 9) // 2)
        for way, sign, style in (("out", "↑", "graph"), ("in", "↓", "graph2")):
            series = list(self._rates[way])
            now = bits(series[-1]) if series else "measuring"
            total = f"{count(row[f'packets_{way}'])} packets, {size(row[f'bytes_{way}'])} bytes"
            yield [(f"{sign} {way:<4}", "plain"), (f"{now:>10}", "plain"), (f"   {total}", "dim")]
            for line in graph(series, width, room):
                yield [(line, style)]

    def action_leave(self) -> None:
        self.dismiss(None)


def _pair(row: Row, name: str) -> str:
    return f"{row[name]}:{row[f'{name}_port']}"
