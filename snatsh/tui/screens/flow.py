# SPDX-License-Identifier: Apache-2.0
"""One flow: endpoints, rule, link, remaining time and rates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from snatsh.api.flows import Flow, FlowKey
from snatsh.client import ClientError
from snatsh.shell.render.text import count, duration, size
from snatsh.tui.context import background, console_of
from snatsh.tui.widgets.graph import bits, graph
from snatsh.tui.widgets.lines import Line
from snatsh.tui.widgets.panel import Panel


class FlowScreen(ModalScreen[None]):
    BINDINGS = [Binding("escape,q,enter", "leave", "Close", id="flow.close")]
    DEFAULT_CSS = """
    FlowScreen { align: center middle; }
    FlowScreen > Vertical { width: 76; max-width: 100%; height: 20; max-height: 100%; background: $surface; }
    """

    def __init__(self, row: Flow) -> None:
        super().__init__()
        self.row = row
        self.ended = False
        self._rates: dict[str, deque[float | None]] = {
            direction: deque(maxlen=300) for direction in ("out", "in")
        }
        self._before: Flow | None = None
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
            found = await asyncio.to_thread(client.live_flow, FlowKey.of(self.row))
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
        before = self._before
        # its age is the gateway's own clock: right in a recording too
        if before is not None and found.age > before.age:
            seconds = max(found.age - before.age, 0.1)
            self._rates["out"].append(8 * max(0, found.bytes_out - before.bytes_out) / seconds)
            self._rates["in"].append(8 * max(0, found.bytes_in - before.bytes_in) / seconds)
        self.row = self._before = found

    def _lines(self, width: int, height: int) -> Iterator[Line]:
        row = self.row
        state = (
            ("ended", "bad") if self.ended else (row.state, "good" if row.state == "established" else "warn")
        )
        yield [("protocol  ", "dim"), (f"{row.protocol:<8}", "plain"), ("state ", "dim"), state]
        yield [
            ("inside    ", "dim"),
            (_pair(row.source, row.source_port), "plain"),
            ("  →  ", "dim"),
            (_pair(row.destination, row.destination_port), "plain"),
        ]
        yield [
            ("outside   ", "dim"),
            (_pair(row.mapped, row.mapped_port), "plain"),
            ("  ←  ", "dim"),
            (_pair(row.destination, row.destination_port), "plain"),
        ]
        yield [
            ("rule      ", "dim"), (f"{row.rule:<8}", "plain"), ("leaves by ", "dim"),
            (row.out_interface or "-", "plain"),
        ]  # fmt: skip
        yield [
            ("age       ", "dim"), (f"{duration(row.age):<8}", "plain"), ("idle ", "dim"),
            (f"{duration(row.idle):<8}", "plain"), ("ends in ", "dim"),
            ("-" if self.ended else duration(row.expires), "plain"),
        ]  # fmt: skip
        yield []
        room = max(1, (height - 9) // 2)
        directions = (
            ("out", row.packets_out, row.bytes_out, "↑", "graph"),
            ("in", row.packets_in, row.bytes_in, "↓", "graph2"),
        )
        for direction, packets, octets, sign, style in directions:
            series = list(self._rates[direction])
            now = bits(series[-1]) if series else "measuring"
            total = f"{count(packets)} packets, {size(octets)} bytes"
            yield [(f"{sign} {direction:<4}", "plain"), (f"{now:>10}", "plain"), (f"   {total}", "dim")]
            for line in graph(series, width, room):
                yield [(line, style)]

    def action_leave(self) -> None:
        self.dismiss(None)


def _pair(address: str, port: int) -> str:
    return f"{address}:{port}"
