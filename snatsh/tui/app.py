# SPDX-License-Identifier: Apache-2.0
"""The app: composes the screens, their common keys and the state of the gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from textual.actions import SkipAction
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.filter import LineFilter, NoColor
from textual.screen import ModalScreen, Screen

from snatsh.api.overview import Overview
from snatsh.api.system import Version
from snatsh.client import Client
from snatsh.tui.context import background
from snatsh.tui.faults import Faults
from snatsh.tui.keymap import actions_of
from snatsh.tui.screens.base import LiveScreen
from snatsh.tui.screens.configuration import ConfigurationScreen
from snatsh.tui.screens.dashboard import DashboardScreen
from snatsh.tui.screens.flow import FlowScreen
from snatsh.tui.screens.flows import FlowsScreen
from snatsh.tui.screens.history import HistoryScreen
from snatsh.tui.screens.links import LinksScreen
from snatsh.tui.screens.log import LogScreen
from snatsh.tui.screens.mappings import MappingsScreen
from snatsh.tui.screens.pools import PoolsScreen
from snatsh.tui.screens.rules import RulesScreen
from snatsh.tui.screens.subscribers import SubscribersScreen
from snatsh.tui.state import ConsoleState, GraphHistory
from snatsh.tui.style import palette
from snatsh.tui.widgets.dialogs import Ask, Question, TextView, plain_lines
from snatsh.tui.widgets.prompt import Prompt
from snatsh.tui.widgets.status import TABS, TITLES, Status
from snatsh.tui.widgets.table import Table

SCREENS = (
    DashboardScreen, FlowsScreen, PoolsScreen, LinksScreen, RulesScreen, SubscribersScreen,
    ConfigurationScreen, LogScreen, MappingsScreen,
)  # fmt: skip

DIALOGS = (HistoryScreen, FlowScreen, TextView, Question, Ask)


def _clock() -> str:
    return time.strftime("%H:%M:%S")


class Top(App[None]):
    TITLE = "snatsh"
    CSS = "Screen { layers: base; } ToastRack { margin-bottom: 1; }"
    BINDINGS = [
        *(
            Binding(str(number), f"switch_mode('{name}')", title, show=False, id=f"screen.{name}")
            for number, (name, title) in enumerate(TABS.items(), 1)
        ),
        Binding("question_mark", "keys", "Keys", id="app.keys", key_display="?"),
        Binding("ctrl+p", "command_palette", "Palette", show=False, id="app.palette"),
        Binding("t", "theme", "Light or dark", show=False, id="app.theme"),
        Binding("q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+c", "interrupt", "Close", show=False, priority=True, id="app.interrupt"),
    ]
    MODES = {screen.NAME: screen for screen in SCREENS}
    DEFAULT_MODE = "dashboard"

    def __init__(
        self,
        client: Client,
        *,
        interval: float = 1.0,
        theme: str = palette.DARK,
        mode: str = "dashboard",
        keymap: dict[str, str] | None = None,
        label: str = "",
        clock: Callable[[], str] = _clock,
    ) -> None:
        super().__init__()
        self.client = client
        self.interval = interval
        self.clock = clock
        self.state = ConsoleState(modes=[label] if label else [])
        self.series = GraphHistory()
        self.faults = Faults()
        self._first_mode = mode
        self._keys = keymap or {}
        self._clashes: list[str] = []
        self._line: Any = None
        for one in palette.THEMES:
            self.register_theme(one)
        self.theme = theme

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Remove all colours, greys included, when NO_COLOR is set."""
        return [NoColor()] if self.no_color else super().get_line_filters()

    async def on_mount(self) -> None:
        if self._keys:
            self.set_keymap(self._keys)
        if self._first_mode != self.DEFAULT_MODE:
            await self.switch_mode(self._first_mode)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: Any) -> None:
        names = ", ".join(sorted(binding.id or binding.action for binding in clashed_bindings))
        if names not in self._clashes:
            self._clashes.append(names)
            text = f"keys file: key already in use; removed from {names}"
            self.notify(text, severity="warning", markup=False)

    # Called by screens

    def answered(self, version: Version, overview: Overview) -> None:
        """Note an answer of snatd."""
        state = self.state
        state.version, state.trouble = version, ""
        if state.overview is not overview:
            state.overview = overview
            self._remember(overview)

    def unanswered(self, why: str) -> None:
        """Note that snatd did not answer; the next query tries again."""
        if not self.state.trouble:
            self.state.gone_at = self.clock()
        self.state.trouble = why

    def failed(self, doing: str, error: Exception) -> None:
        """Report an unexpected error, marked in the status line until the log is opened."""
        fault = self.faults.add(doing, error)
        if fault is not None:
            self.state.faulty = True
            self.notify(f"error in {fault.text}", severity="error", timeout=8, markup=False)
        for status in self.screen.query(Status):
            status.redraw()

    async def run_action(self, action: Any, *arguments: Any, **options: Any) -> bool:
        try:
            return await super().run_action(action, *arguments, **options)
        except Exception as error:
            self.failed(str(action), error)
            return True

    def _remember(self, overview: Overview) -> None:
        traffic = overview.traffic
        for direction, speed in (("out", traffic.outbound), ("in", traffic.inbound)):
            self.series.add(f"{direction} bits", speed.bits)
            self.series.add(f"{direction} packets", speed.packets)
        self.series.add("opened", traffic.opened)
        self.series.add("flows", overview.flows)
        self.series.add("processor", overview.processor.average)
        dropped = [row.rate for row in overview.drops]
        self.series.add("drops", sum(rate or 0 for rate in dropped) if overview.seconds else None)

    # Keys

    async def action_interrupt(self) -> None:
        """Close the prompt or dialog in front, else quit."""
        if isinstance(self.focused, Prompt):
            self.focused.close()
        elif isinstance(self.screen, ModalScreen):
            self.screen.dismiss(None)
        else:
            await self.action_quit()

    def action_theme(self) -> None:
        self.theme = palette.LIGHT if self.theme == palette.DARK else palette.DARK

    def action_keys(self) -> None:
        if isinstance(self.screen, LiveScreen):
            title = f"Keys: {TITLES[self.screen.NAME]}"
            self.push_screen(TextView(title, self.screen.help_lines()))

    def action_command(self) -> None:
        screen = self.screen
        if not isinstance(screen, LiveScreen):
            return
        before = screen.focused
        if isinstance(before, Prompt):
            raise SkipAction

        def closed() -> None:
            if before is not None:
                before.focus()
            else:
                screen.set_focus(None)

        hint = "operational command; Tab completes, ? shows help"
        screen.query_one(Prompt).open(":", "", hint, closed)

    def on_prompt_entered(self, event: Prompt.Entered) -> None:
        if event.kind == ":" and event.text.strip():
            background(self, self._run(event.text), "command")

    def on_prompt_asked(self, event: Prompt.Asked) -> None:
        background(self, self._complete(event.text, event.complete), "completion", exclusive=True)

    async def _run(self, text: str) -> None:
        outcome = await asyncio.to_thread(self._command_line().execute, text)
        if outcome.failed:
            caret = " " * outcome.column + "^\n" if outcome.column is not None else ""
            await self.push_screen(TextView(f"error: {text}", plain_lines(f"{text}\n{caret}{outcome.text}")))
        elif outcome.text.strip():
            await self.push_screen(TextView(text, plain_lines(outcome.text)))
        if isinstance(self.screen, LiveScreen):
            self.screen.look()

    async def _complete(self, text: str, complete: bool) -> None:
        line = self._command_line()
        prompt = self.screen.query_one(Prompt)
        found = await asyncio.to_thread(line.complete, text)
        extension = found.extension(text) if complete else ""
        if extension:
            rest = prompt.value[len(text) :]
            prompt.value = text + extension + rest
            prompt.cursor_position = len(text + extension)
        else:
            shown = await asyncio.to_thread(line.help, text)
            await self.push_screen(TextView(text or "Commands", plain_lines(shown)))

    def _command_line(self) -> Any:
        if self._line is None:
            from snatsh.shell.frontends.embedded import command_line

            self._line = command_line(self.client, self._ask_from_thread, self._confirm_from_thread)
        return self._line

    def _ask_from_thread(self, question: str) -> str:
        """Ask on behalf of a command, which runs in a thread."""
        return self._from_thread(Ask(question)) or ""

    def _confirm_from_thread(self, question: str) -> bool:
        return bool(self._from_thread(Question(question)))

    def _from_thread(self, dialog: ModalScreen[Any]) -> Any:
        """Show a dialog and wait for its result."""

        async def show() -> Any:
            return await self.push_screen_wait(dialog)

        async def in_worker() -> Any:
            return await self.run_worker(show(), exit_on_error=False).wait()

        return self.call_from_thread(in_worker)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for name, title in TITLES.items():
            yield SystemCommand(f"Go to {title}", f"Screen {title}", lambda name=name: self.switch_mode(name))
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.id and not binding.id.startswith(("screen.", "app.")) and active.enabled:
                yield SystemCommand(
                    binding.description, f"Key {binding.key}",
                    lambda binding=binding, node=active.node: self.run_action(binding.action, node),
                )  # fmt: skip
        yield SystemCommand(
            "Freeze", "Stop updates of this screen", lambda: self.run_action("freeze", screen)
        )
        yield SystemCommand("Run a command", "Run an operational command", self.action_command)
        yield SystemCommand("Keys", "Keys of this screen", self.action_keys)
        yield SystemCommand("Light or dark", "Switch the theme", self.action_theme)
        yield SystemCommand("Quit", "Exit the live view", self.action_quit)


def actions() -> set[str]:
    """Return the names of all actions that can be bound to a key."""
    groups: list[Iterable[object]] = [
        Top.BINDINGS,
        Table.BINDINGS,
        *(screen.BINDINGS for screen in DIALOGS),
    ]
    for screen in SCREENS:
        groups += [kind.__dict__.get("BINDINGS", ()) for kind in screen.__mro__]
    return actions_of(*groups)
