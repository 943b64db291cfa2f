# SPDX-License-Identifier: Apache-2.0
"""Every screen on a recording of a real gateway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.events import MouseScrollDown, MouseScrollUp

from snatsh.api.pools import LivePool
from snatsh.client import ServerGone
from snatsh.tui import faults
from snatsh.tui.recording import ReplayClient
from snatsh.tui.screens.flow import FlowScreen
from snatsh.tui.screens.history import HistoryScreen
from snatsh.tui.style import palette
from snatsh.tui.widgets.dialogs import Ask, Question, TextView
from snatsh.tui.widgets.status import TABS
from tests.unit.tui.replay import LARGE, RECORDING, Player, playing

TABLES = ("flows", "pools", "links", "rules", "subscribers", "log", "mappings")


def run(act: Callable[[Player], Awaitable[None]], **options: Any) -> None:
    async def work() -> None:
        async with playing(**options) as player:
            await player.play(2)
            await act(player)

    asyncio.run(work())


def grouping(player: Player) -> str:
    return str(player.screen.group)


def test_every_screen_opens_by_its_key() -> None:
    async def act(player: Player) -> None:
        for number, name in enumerate(TABS, 1):
            await player.press(str(number))
            assert name == player.screen.NAME
            await player.play(1)
            assert f"[{number} {TABS[name]}]" in player.text("#status")

    run(act)


def test_dashboard_shows_the_state_of_the_gateway() -> None:
    async def act(player: Player) -> None:
        await player.play(8)
        assert "ALARM" in player.text("#status")
        assert "commit unconfirmed, rollback in" in player.text("#status")
        assert "link isp-b is down" in player.text("#alarms").replace("\n", " ")
        assert "✗ down" in player.text("#links")
        assert "small" in player.text("#pools")
        assert "b/s" in player.text("#traffic")
        assert "rule" in player.text("#drops")
        assert len(player.app.series.of("in bits")) >= 8

    run(act)


@pytest.mark.parametrize("name", TABLES)
def test_tables_sort_by_every_column_and_freeze(name: str) -> None:
    async def act(player: Player) -> None:
        screen, table = player.screen, player.screen.table
        assert table.total, "the recording has something to show"
        seen = set()
        for _ in screen.orders():
            seen.add(table.sort)
            await player.press("greater_than_sign")
        assert seen == set(screen.orders())
        await player.press("f")
        before = table.text
        await player.play(2)
        assert table.text == before
        await player.press("question_mark", "escape")
        assert "FROZEN" in player.text("#status"), "a dialog in front thaws nothing"

    run(act, mode=name)


def test_mouse_selects_rows_columns_and_screens() -> None:
    async def act(player: Player) -> None:
        table = player.screen.table
        await player.pilot.click("#table", offset=(10, 4))
        await player.settle()
        assert table.cursor == 3
        title = table.text.splitlines()[0].index("idle")
        for turned in (False, True):
            await player.pilot.click("#table", offset=(title, 0))
            await player.settle()
            assert (table.sort, table.turned) == ("idle", turned)
        await player.pilot._post_mouse_events([MouseScrollDown], "#table", (10, 4), button=0)
        await player.settle()
        assert table.cursor == 3
        await player.pilot._post_mouse_events([MouseScrollUp], "#table", (10, 4), button=0)
        await player.settle()
        assert table.cursor == 0
        where = player.text("#status").splitlines()[1].index("5 Rules")
        await player.pilot.click("#status", offset=(where, 1))
        await player.settle()
        assert player.screen.NAME == "rules"

    run(act, mode="flows")


def test_flows_filter_by_fields_group_and_show_details() -> None:
    async def act(player: Player) -> None:
        table = player.screen.table
        whole = table.total
        await player.press("slash")
        await player.type("source=192.168.40.9 protocol=tcp")
        await player.press("enter")
        assert 0 < table.total < whole
        assert {row.source for row in table.rows} == {"192.168.40.9"}
        assert {row.protocol for row in table.rows} == {"tcp"}
        await player.press("enter")
        assert isinstance(player.screen, FlowScreen)
        await player.press("escape")
        await player.press("escape")
        assert table.total == whole
        for group in ("subscriber", "rule", "pool-address", "destination", "link"):
            await player.press("g")
            assert grouping(player) == group
            assert table.rows
        await player.press("escape")
        assert grouping(player) == ""

    run(act, mode="flows")


def test_enter_on_a_group_shows_its_flows() -> None:
    async def act(player: Player) -> None:
        await player.press("g", "enter")
        assert grouping(player) == ""
        assert player.screen.filter.startswith("source=192.168.40.")

    run(act, mode="flows")


def test_subscribers_at_their_limit_are_shown() -> None:
    async def act(player: Player) -> None:
        table = player.screen.table
        assert "limit 220 sessions; 1 with refused flows" in player.text("#caption")
        while table.sort != "refused":
            await player.press("greater_than_sign")
        limited, other = table.rows
        assert (limited.sessions, other.refused) == (220, 0)
        assert limited.refused > 0
        assert "220 of 220" in player.text("#table")

    run(act, mode="subscribers")


def test_links_show_their_history() -> None:
    async def act(player: Player) -> None:
        lines = player.text("#changes").splitlines()
        assert re.search(r"isp-b +✗ down by order of root", lines[0].replace("│", ""))
        assert "isp-a ● up" in player.text("#changes")
        await player.press("down")
        assert "Probes of isp-b" in str(player.screen.query_one("#probes").border_title)

    run(act, mode="links", size=LARGE)


def test_log_entry_opens() -> None:
    async def act(player: Player) -> None:
        kinds = {row.kind for row in player.screen.table.rows}
        assert {"commit", "link", "pool"} <= kinds
        await player.press("enter")
        assert isinstance(player.screen, TextView)

    run(act, mode="log", size=LARGE)


def test_configuration_of_a_recording_is_read_only() -> None:
    async def act(player: Player) -> None:
        assert "changed" in player.text("#head") or "rolled back" in player.text("#head")
        assert "+" in player.text("#difference")
        assert "-" in player.text("#difference")
        await player.press("d")
        assert isinstance(player.screen, TextView)
        await player.press("escape", "h")
        assert isinstance(player.screen, HistoryScreen)
        assert player.screen.entries
        await player.press("escape")
        for key, dialog in {"c": Ask, "C": Ask, "u": Ask, "a": Question}.items():
            await player.press(key)
            assert isinstance(player.screen, dialog), key
            await player.press("escape")
        for key in "ky":
            await player.press(key)
        output = [note.message for note in player.app._notifications]
        assert sum("recording" in text for text in output) >= 2

    run(act, mode="configuration")


def test_help_palette_theme_and_command_line() -> None:
    async def act(player: Player) -> None:
        await player.press("question_mark")
        assert isinstance(player.screen, TextView)
        await player.press("escape", "t")
        assert player.app.theme == palette.LIGHT
        await player.press("colon")
        await player.type("show nonsense")
        await player.press("enter")
        assert isinstance(player.screen, TextView)
        assert "nonsense" in player.screen.view.text
        await player.press("escape", "ctrl+p")
        await player.until(lambda: isinstance(player.screen, CommandPalette))
        await player.type("rules")
        await player.until(lambda: player.screen.query_one("CommandList").option_count > 0)
        await player.press("enter")
        await player.until(lambda: getattr(player.screen, "NAME", "") == "rules")

    run(act)


@pytest.mark.parametrize("mode", ["dashboard", "flows"])
def test_text_pasted_at_the_command_prompt_is_a_command(mode: str) -> None:
    async def act(player: Player) -> None:
        await player.type(":show nonsense: a/b")
        assert player.screen.query_one("#prompt").value == "show nonsense: a/b"
        await player.press("enter")
        assert isinstance(player.screen, TextView)
        assert "nonsense: a/b" in player.screen.view.text

    run(act, mode=mode)


def test_text_pasted_at_the_filter_prompt_is_a_filter() -> None:
    async def act(player: Player) -> None:
        await player.type("/protocol=udp")
        await player.press("enter")
        assert player.screen.filter == "protocol=udp"

    run(act, mode="flows")


def test_custom_key_bindings() -> None:
    async def act(player: Player) -> None:
        await player.press("f5")
        assert player.screen.NAME == "flows"

    run(act, keymap={"screen.flows": "f5"})


class Stubborn(ReplayClient):
    """Plays a recording until snatd goes away."""

    away = False

    def send(self, *arguments: Any, **options: Any) -> bytes:
        if self.away:
            raise ServerGone("no snatd answers")
        return super().send(*arguments, **options)


def test_loss_and_return_of_snatd_are_shown() -> None:
    client = Stubborn(RECORDING, lambda: 5.0)

    async def act(player: Player) -> None:
        client.away = True
        await player.play(1)
        assert "SNATD NOT RESPONDING since 12:00:00; retrying" in player.text("#status")
        client.away = False
        await player.play(1)
        assert "NOT RESPONDING" not in player.text("#status")

    run(act, client=client)


class Broken(ReplayClient):
    """Fails where the console does not expect it."""

    broken = False

    def live_pools(self) -> list[LivePool]:
        if self.broken:
            raise KeyError("name")
        return super().live_pools()


def test_unexpected_errors_are_shown_and_do_not_end_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Broken(RECORDING, lambda: 5.0)
    monkeypatch.setattr(faults, "_SAME_SECONDS", 600.0)

    async def act(player: Player) -> None:
        client.broken = True
        await player.play(2)
        assert "✗ ERROR: see Log" in player.text("#status")
        assert "KeyError" in player.output
        met = len(player.app.faults.kept)
        await player.play(2)
        assert len(player.app.faults.kept) == met, "the same error, look by look, is one"
        client.broken = False
        await player.play(1)
        assert "small" in player.text("#table")
        monkeypatch.setattr(player.screen, "action_freeze", lambda: 1 // 0)  # a key
        monkeypatch.setattr(player.screen.query_one("#heat"), "_draw", lambda *_: 1 // 0)  # a widget
        await player.press("f")
        await player.play(1)
        assert "ZeroDivisionError" in player.output
        assert "cannot be shown" in player.text("#heat")
        assert "small" in player.text("#table"), "the others are shown"
        await player.press("8")
        assert "ERROR" not in player.text("#status"), "it was read"
        own = [row for row in player.screen.table.rows if row.kind == "console"]
        assert len(own) == met + 2
        await player.press("slash")
        await player.type("ZeroDivisionError")
        await player.press("enter", "enter")
        assert "Traceback" in player.screen.view.text

    run(act, mode="pools", client=client)


def test_screens_follow_the_terminal_size() -> None:
    async def act(player: Player) -> None:
        assert player.screen.table.room < 22
        await player.pilot.resize_terminal(*LARGE)
        await player.settle()
        assert player.screen.table.room > 50
        assert "mapped to" in player.text("#table")

    run(act, mode="flows")


def test_no_color_keeps_all_information(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def act(player: Player) -> None:
        assert player.app.no_color
        await player.play(3)
        svg = player.app.export_screenshot()
        colours = set(re.findall(r"-r\d+ \{[^}]*fill: #([0-9a-f]{6})", svg))
        assert len(colours) <= 3, "the picture's own: of text, of what is reversed, of the frame"
        assert "▲" in player.text("#status")
        assert "✗ down" in player.text("#links")

    run(act)
