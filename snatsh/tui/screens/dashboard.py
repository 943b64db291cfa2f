# SPDX-License-Identifier: Apache-2.0
"""Dashboard: traffic, flows, CPU, alarms, pools, links and drops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from snatsh.api.overview import Overview
from snatsh.client import Client
from snatsh.shell.render.text import count, duration
from snatsh.tui.context import console_of
from snatsh.tui.screens.base import LiveScreen
from snatsh.tui.widgets.graph import bits, graph, level, meter, packets, per_second, percent
from snatsh.tui.widgets.lines import Line
from snatsh.tui.widgets.panel import Panel

LINK_SIGNS = {"up": ("● up", "good"), "degraded": ("! degraded", "warn"), "down": ("✗ down", "bad"),
              "drained": ("◌ drained", "warn")}  # fmt: skip


class DashboardScreen(LiveScreen):
    NAME = "dashboard"
    DEFAULT_CSS = """
    DashboardScreen #left, DashboardScreen #right { width: 1fr; }
    DashboardScreen #traffic { height: 2fr; min-height: 6; }
    DashboardScreen #flows { height: 1fr; min-height: 5; }
    DashboardScreen #processor { height: 1fr; min-height: 4; max-height: 12; }
    DashboardScreen #drops { height: 1fr; min-height: 4; }
    DashboardScreen #alarms { height: 1fr; min-height: 6; }
    DashboardScreen #pools { height: 1fr; min-height: 5; }
    DashboardScreen #links { height: 1fr; min-height: 4; }
    """

    def body(self) -> Iterable[Widget]:
        with Horizontal():
            with Vertical(id="left"):
                yield Panel("Traffic", self._traffic, id="traffic")
                yield Panel("Flows", self._flows, id="flows")
                yield Panel("CPU for packets", self._processor, id="processor")
            with Vertical(id="right"):
                yield Panel("Alarms", self._alarms, id="alarms")
                yield Panel("Pools", self._pools, id="pools")
                yield Panel("Links", self._links, id="links")
                yield Panel("Drops by reason", self._drops, id="drops")

    def fetch(self, client: Client) -> bool:
        return True

    def show(self, data: object) -> None:
        if not self.frozen:
            for panel in self.query(Panel):
                panel.redraw()

    @property
    def _found(self) -> Overview | None:
        return console_of(self.app).state.overview

    def _series(self, name: str) -> list[float | None]:
        return console_of(self.app).series.of(name)

    def _graph(
        self, name: str, width: int, height: int, style: str = "graph", top: float = 0.0
    ) -> Iterator[Line]:
        for row in graph(self._series(name), width, height, top):
            yield [(row, style)]

    def _traffic(self, width: int, height: int) -> Iterator[Line]:
        found = self._found
        if found is None:
            return
        room = max(1, (height - 2) // 2)
        directions = (
            ("out", found.traffic.outbound, "↑", "graph"),
            ("in", found.traffic.inbound, "↓", "graph2"),
        )
        for direction, speed, sign, style in directions:
            head = f"{sign} {direction:<3} {bits(speed.bits):>8} {packets(speed.packets):>11}"
            if height < 6:
                left = max(0, width - len(head) - 1)
                yield [(head + " ", "plain"), (graph(self._series(f"{direction} bits"), left)[0], style)]
                yield [
                    (f"{'packets':>{len(head)}} ", "dim"),
                    (graph(self._series(f"{direction} packets"), left)[0], style),
                ]
            else:
                yield [(head, "plain")]
                yield from self._graph(f"{direction} bits", width, room, style)

    def _flows(self, width: int, height: int) -> Iterator[Line]:
        found = self._found
        if found is None:
            return
        share = found.flows / found.capacity if found.capacity else 0.0
        label = f"{count(found.flows)} of {count(found.capacity)} "
        yield [(label, "plain"), *meter(share, max(8, width - len(label)))]
        opened = found.traffic.opened
        head = f"new {per_second(opened):>6} "
        if height <= 3:
            yield [(head, "plain"), (graph(self._series("opened"), max(0, width - len(head)))[0], "graph")]
        else:
            yield [(head, "plain")]
            yield from self._graph("opened", width, height - 2)

    def _processor(self, width: int, height: int) -> Iterator[Line]:
        found = self._found
        if found is None:
            return
        cpu = found.processor
        if cpu.average is None or cpu.busiest is None:
            yield [("measuring …", "dim")]
            return
        label = f"busiest of {cpu.cpus} "
        yield [(label, "plain"), *meter(cpu.busiest / 100, max(8, width - len(label)))]
        if height > 2:
            yield from self._graph("processor", width, height - 1, level(cpu.average / 100), 100.0)
        else:
            label = f"{'all':<{len(label) - 1}} "
            yield [(label, "plain"), *meter(cpu.average / 100, max(8, width - len(label)))]

    def _alarms(self, width: int, height: int) -> Iterator[Line]:
        """One line per alarm when there are many; those that do not fit are counted."""
        found = self._found
        if found is None:
            return
        lines = list(self._alarm_lines(found, width, folded=True))
        if len(lines) > height:
            lines = list(self._alarm_lines(found, width, folded=False))
        if len(lines) > height:
            lines = [*lines[: height - 1], [(f"… and {len(lines) - height + 1} more", "dim")]]
        yield from lines

    def _alarm_lines(self, found: Overview, width: int, *, folded: bool) -> Iterator[Line]:
        for alarm in found.alarms:
            major = alarm.severity == "major"
            sign, style = ("▲ ", "bad") if major else ("! ", "warn")
            parts = _wrapped(alarm.text, width - 2) if folded else [alarm.text]
            for at, part in enumerate(parts):
                yield [(sign if at == 0 else "  ", style), (part, style)]
        if found.scheduled:
            waiting = found.scheduled
            yield [("◷ ", "dim"), (f"commit by {waiting.user} at {waiting.at}", "plain")]
        if not found.alarms:
            yield [("● ", "good"), ("no alarms", "good")]

    def _pools(self, width: int, height: int) -> Iterator[Line]:
        found = self._found
        if found is None:
            return
        pools = sorted(found.pools, key=lambda pool: -pool.fill)
        names = min(16, max((len(pool.name) for pool in pools), default=4))
        for pool in pools[: height if len(pools) <= height else height - 1]:
            tail = f" peak {percent(pool.peak)}"
            if pool.forecast is not None:
                tail = f" full in {duration(pool.forecast)}"
            elif pool.exhausted:
                tail = f" refused {count(pool.exhausted)}"
            room = max(10, width - names - 1 - len(tail))
            style = "dim" if not pool.exhausted and pool.forecast is None else "warn"
            yield [(f"{pool.name[:names]:<{names}} ", "plain"), *meter(pool.fill, room), (tail, style)]
        if len(pools) > height:
            yield [(f"… and {len(pools) - height + 1} less full", "dim")]
        if not pools:
            yield [("no pools", "dim")]

    def _links(self, width: int, height: int) -> Iterator[Line]:
        found = self._found
        if found is None:
            return
        for link in found.links:
            sign, style = LINK_SIGNS.get(link.state, (link.state, "warn"))
            yield [(f"{link.name[:20]:<20} ", "plain"), (sign, style)]
        if not found.links:
            yield [("no links configured", "dim")]
        for one in found.interfaces:
            if one.state != "up":
                yield [(f"{one.name:<20} ", "plain"), (f"✗ interface {one.state}", "bad")]

    def _drops(self, width: int, height: int) -> Iterator[Line]:
        found = self._found
        if found is None:
            return
        for row in found.drops:
            active = bool(row.rate)
            yield [
                (f"{row.reason:<18}", "warn" if active else "dim"),
                (f"{per_second(row.rate):>8}", "warn" if active else "dim"),
                (f"{count(row.packets):>{max(1, width - 26)}}", "dim"),
            ]
        if not found.drops:
            yield [("● ", "good"), ("no drops", "good")]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(10, width)) or [""]
