# SPDX-License-Identifier: Apache-2.0
"""The status lines: state of the gateway, and the screens."""

from __future__ import annotations

from collections.abc import Iterable

from textual.events import Click

from snatsh.api.overview import Overview
from snatsh.shell.render.text import count, duration
from snatsh.tui.state import ConsoleState
from snatsh.tui.widgets.lines import Line, Lines, Piece

TABS = {
    "dashboard": "Dashboard", "flows": "Flows", "pools": "Pools", "links": "Links", "rules": "Rules",
    "subscribers": "Subscribers", "configuration": "Config", "log": "Log",
}  # fmt: skip
"""Screens with a number."""

TITLES = {**TABS, "mappings": "Mappings"}


class Status(Lines):
    DEFAULT_CSS = "Status { height: 2; background: $panel; }"

    def __init__(self, state: ConsoleState, name: str) -> None:
        super().__init__(id="status")
        self._state = state
        self._name = name

    def draw(self, width: int, height: int) -> Iterable[Line]:
        yield self._well(width)
        yield self._tabs(width)

    def _well(self, width: int) -> Line:
        state, found = self._state, self._state.overview
        pieces: list[Piece] = []
        host = found.host_name if found else state.version.host_name if state.version else "snatsh"
        pieces.append((f" {host} ", "title"))
        if state.trouble:
            pieces.append((f" ✗ SNATD NOT RESPONDING since {state.gone_at}; retrying ", "alarm"))
        elif found is None:
            pieces.append((" connecting … ", "dim"))
        else:
            pieces += _health(found)
            if found.pending:
                left = duration(found.pending.seconds)
                pieces.append((f" ! commit unconfirmed, rollback in {left} ", "caution"))
            flows, room = count(found.flows), count(found.capacity)
            if width >= 100:
                pieces.append((f"  flows {flows} of {room}", "plain"))
        if state.faulty:
            pieces.append((" ✗ ERROR: see Log ", "alarm"))
        for mode in self._state.modes:
            pieces.append((f" [{mode}]", "key"))
        if state.version:
            role = " read-only" if state.role == "view" else f" {state.role}"
            who = f"{state.version.user}{role} "
            used = sum(len(text) for text, _ in pieces)
            pieces += [(" " * max(1, width - used - len(who)), "plain"), (who, "dim")]
        return pieces

    def _tabs(self, width: int) -> Line:
        pad = " " if width >= 100 else ""
        pieces: list[Piece] = []
        for number, (name, title) in enumerate(TABS.items(), 1):
            if name == self._name:
                pieces.append((f"[{number} {title}]", "tab"))
            else:
                after = bool(pieces) and pieces[-1][1] == "tab" and not pad
                pieces.append((f"{pad}{'' if after else ' '}{number} {title}{pad}", "dim"))
        return pieces

    async def on_click(self, event: Click) -> None:
        """Open the screen whose name is clicked."""
        x = event.get_content_offset_capture(self).x
        start = 0
        for name, (text, _) in zip(TABS, self._tabs(self.content_size.width), strict=True):
            if event.y == 1 and start <= x < start + len(text):
                await self.app.run_action(f"switch_mode('{name}')")
            start += len(text)


def _health(found: Overview) -> list[Piece]:
    alarms = found.alarms
    major = sum(alarm.severity == "major" for alarm in alarms)
    if major:
        return [(f" ▲ {major} ALARM{'S' if major > 1 else ''} ", "alarm")]
    if alarms:
        return [(f" ! {len(alarms)} minor ", "caution")]
    return [(" ● OK ", "well")]
