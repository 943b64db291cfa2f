# SPDX-License-Identifier: Apache-2.0
"""Base of all screens. A screen queries snatd once per interval, and only while it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar

from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget

from snatsh.client import Client, ClientError, Refused, Rejected
from snatsh.tui.context import background, console_of
from snatsh.tui.widgets.keys import Keys, key_name
from snatsh.tui.widgets.lines import Line
from snatsh.tui.widgets.prompt import Prompt
from snatsh.tui.widgets.status import TITLES, Status


class LiveScreen(Screen[None]):
    """`fetch` queries snatd in a thread; `show` draws the result."""

    NAME: ClassVar[str] = ""
    AUTO_FOCUS = ""
    # Priority: text pasted behind these keys must find the prompt open.
    BINDINGS = [
        Binding("slash", "filter", "Filter", id="screen.filter", show=False, priority=True),
        Binding("colon", "app.command", "Command", id="app.command", priority=True),
        Binding("f", "freeze", "Freeze", id="screen.freeze", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.frozen = False
        self.data: Any = None
        self._looking = False
        self._again = False

    def compose(self) -> ComposeResult:
        yield Status(console_of(self.app).state, self.NAME)
        yield from self.body()
        yield Prompt()
        yield Keys(id="keys")

    def body(self) -> Iterable[Widget]:
        return ()

    def fetch(self, client: Client) -> Any:
        """Return what this screen shows. Blocks."""
        return None

    def show(self, data: Any) -> None:
        """Draw the data."""

    def on_mount(self) -> None:
        self.set_interval(console_of(self.app).interval, self.tick)

    def on_screen_resume(self) -> None:
        self.look()

    def tick(self) -> None:
        if self in self.app.screen_stack:  # not for screens of other modes, but under a dialog
            self.look()

    def look(self) -> None:
        """Query now, or again after the query in progress."""
        if self._looking:
            self._again = True
            return
        self._looking = True
        background(self, self._look(), "look")

    async def _look(self) -> None:
        console = console_of(self.app)
        try:
            while True:
                self._again = False
                try:
                    version, overview, found = await asyncio.to_thread(self._ask, console.client)
                except (Refused, Rejected) as error:
                    self.complain(str(error))
                except ClientError as error:
                    console.unanswered(str(error))
                except Exception as error:
                    console.failed(TITLES[self.NAME], error)
                else:
                    console.answered(version, overview)
                    self._shown(found)
                self.query_one(Status).redraw()
                self.query_one(Keys).redraw()
                if not self._again:
                    return
        finally:
            self._looking = False

    def _shown(self, found: Any) -> None:
        try:
            if not self.frozen and found is not None:
                self.data = found
            if self.data is not None:
                self.show(self.data)
        except Exception as error:
            console_of(self.app).failed(TITLES[self.NAME], error)

    def _ask(self, client: Client) -> tuple[Any, Any, Any]:
        state = console_of(self.app).state
        version = state.version if state.version and not state.trouble else client.version()
        overview = client.live_overview()
        return version, overview, None if self.frozen else self.fetch(client)

    def complain(self, text: str) -> None:
        self.notify(text, severity="error", timeout=8, markup=False)

    def action_freeze(self) -> None:
        self.frozen = not self.frozen
        modes = console_of(self.app).state.modes
        if self.frozen:
            modes.append("FROZEN")
        elif "FROZEN" in modes:
            modes.remove("FROZEN")
        self.query_one(Status).redraw()
        if not self.frozen:
            self.look()

    def on_screen_suspend(self) -> None:
        """Unfreeze when another screen is opened, but not for a dialog."""
        if self.frozen and self not in self.app.screen_stack:
            self.action_freeze()

    def action_filter(self) -> None:
        if isinstance(self.focused, Prompt):
            raise SkipAction
        self.open_filter()

    def open_filter(self) -> None:
        self.complain(f"filter: not available on screen {TITLES[self.NAME]}")

    def help_lines(self) -> list[Line]:
        """Return the keys of this screen for `?`."""
        lines: list[Line] = []
        rows: dict[str, list[str]] = {}
        for active in self.active_bindings.values():
            binding = active.binding
            if binding.description and binding.id:
                rows.setdefault(binding.description, []).append(key_name(binding.key))
        for description, keys in rows.items():
            lines.append([(f"  {' '.join(dict.fromkeys(keys)):<14}", "key"), (description, "plain")])
        return lines
