# SPDX-License-Identifier: Apache-2.0
"""Every key of every screen; a key without a check fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.binding import Binding
from textual.command import CommandPalette
from textual.screen import ModalScreen, Screen

from snatsh.tui.app import DIALOGS, SCREENS, Top, actions
from snatsh.tui.screens.flow import FlowScreen
from snatsh.tui.screens.history import HistoryScreen
from snatsh.tui.screens.tables import TableScreen
from snatsh.tui.style import palette
from snatsh.tui.widgets.dialogs import Ask, Question, TextView, plain_lines
from snatsh.tui.widgets.status import TABS, TITLES
from snatsh.tui.widgets.table import Table
from snatsh.tui.widgets.tree import ConfigurationTree
from tests.unit.tui.replay import Player, playing

Check = Callable[[Player, str], Awaitable[None]]

CHECKS: dict[str, Check] = {}
"""By the name that a keys file knows. Each presses the key, looks, and leaves the screen as it was."""


def checks(*names: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(names, check))
        return check

    return keep


def keys(screen: Screen[Any]) -> dict[str, str]:
    """What every key does on this screen now, by name, save what textual's own widgets do with theirs."""
    found = {key: one.binding.id for key, one in screen.active_bindings.items() if one.binding.id}
    # In front of everything, which a dialog does not list.
    return {**found, "ctrl+c": "app.interrupt", "ctrl+q": "app.quit"}


def declared(screen: Screen[Any]) -> set[str]:
    """What the code says there is here: that none hides another."""
    classes = [*type(screen).__mro__, *type(screen.focused).__mro__]
    bindings = [one for kind in classes for one in kind.__dict__.get("BINDINGS", ())]
    own = [one for one in Top.BINDINGS if isinstance(one, Binding)]
    bindings += [one for one in own if one.priority or not isinstance(screen, ModalScreen)]
    return {one.id for one in bindings if isinstance(one, Binding) and one.id}


async def walk(player: Player, fresh: Callable[[], Awaitable[None]] | None = None) -> None:
    """Every key of the screen at hand. fresh: opens another one when a key has closed it."""
    screen = player.screen
    found = keys(screen)
    assert set(found.values()) >= declared(screen)
    for key, name in found.items():
        assert name in CHECKS, f"{key}: {name} has no check"
        await CHECKS[name](player, key)
        if fresh is None:
            assert player.screen is screen, f"{key}: {name} has led away"
        elif type(player.screen) is not type(screen):
            await fresh()
        assert not player.app.state.faulty, player.app.faults.kept


@pytest.mark.parametrize("mode", TITLES)
def test_every_key_of_every_screen(mode: str) -> None:
    async def act(player: Player) -> None:
        await player.play(3)
        await walk(player)

    play(act, mode)


@pytest.mark.parametrize("kind", DIALOGS)
def test_every_key_of_every_dialog(kind: type[ModalScreen[Any]]) -> None:
    async def act(player: Player) -> None:
        await player.play(3)

        async def fresh() -> None:
            ANSWERS.clear()
            await player.app.push_screen(_made(kind, player), ANSWERS.append)
            await player.settle()

        await fresh()
        await walk(player, fresh)

    play(act, "flows")


def test_every_binding_has_an_id_and_a_test() -> None:
    kinds: list[Any] = [Top, Table, *SCREENS, *DIALOGS]
    bound = {id(one): one for kind in kinds for one in kind.BINDINGS if isinstance(one, Binding)}
    assert not [one for one in bound.values() if not one.id]
    assert actions() == set(CHECKS)


def test_tree_nodes_expand_and_collapse() -> None:
    async def act(player: Player) -> None:
        tree = player.screen.query_one(ConfigurationTree)
        await player.press("down", "down", "up")
        assert tree.cursor_line == 1
        while not tree.cursor_node.children:
            await player.press("down")
        was = tree.cursor_node.is_expanded
        await player.press("space")
        assert tree.cursor_node.is_expanded is not was
        await player.press("enter")
        assert tree.cursor_node.is_expanded is was
        await player.play(2)
        assert tree.cursor_node.is_expanded is was

    play(act, "configuration")


ANSWERS: list[Any] = []
"""What the dialog at hand was left with."""


def _made(kind: type[ModalScreen[Any]], player: Player) -> ModalScreen[Any]:
    if kind is Question:
        return Question("Well?")
    if kind is Ask:
        return Ask("What?", "default")
    if kind is TextView:
        return TextView("Text", plain_lines("\n".join(map(str, range(100)))))
    return FlowScreen(player.screen.table.rows[0]) if kind is FlowScreen else HistoryScreen()


def play(act: Callable[[Player], Awaitable[None]], mode: str) -> None:
    async def work() -> None:
        async with playing(mode=mode) as player:
            await act(player)

    asyncio.run(work())


# Everywhere


@checks(*(f"screen.{name}" for name in TABS))
async def goes_to_a_screen(player: Player, key: str) -> None:
    before = player.screen.NAME
    await player.press(key)
    assert list(TABS)[int(key) - 1] == player.screen.NAME
    await back_to(player, before)


async def back_to(player: Player, name: str) -> None:
    """To the screen that a check began on."""
    await player.app.switch_mode(name)
    await player.settle()


@checks("app.command")
async def opens_the_command_line(player: Player, key: str) -> None:
    focused = player.screen.focused
    await player.press(key)
    prompt = player.screen.query_one("#prompt")
    assert prompt.display
    assert player.screen.focused is prompt
    await player.press("escape")
    assert not prompt.display
    assert player.screen.focused is focused


@checks("app.keys")
async def lists_the_keys(player: Player, key: str) -> None:
    wanted = {one.binding.description for one in player.screen.active_bindings.values() if one.binding.id}
    await player.press(key)
    assert isinstance(player.screen, TextView)
    shown = "".join(text for line in player.screen.view.lines for text, _ in line)
    assert not {text for text in wanted if text not in shown}
    await player.press("escape")


@checks("app.palette")
async def opens_the_palette(player: Player, key: str) -> None:
    await player.press(key)
    await player.until(lambda: isinstance(player.screen, CommandPalette))
    await player.press("escape")
    await player.until(lambda: not isinstance(player.screen, CommandPalette))


@checks("app.theme")
async def turns_light_and_dark(player: Player, key: str) -> None:
    themes = []
    for _ in range(2):
        await player.press(key)
        themes.append(player.app.theme)
    assert themes == [palette.LIGHT, palette.DARK]


@checks("app.quit", "app.interrupt")
async def leaves(player: Player, key: str) -> None:
    if key != "ctrl+q" and isinstance(player.screen, ModalScreen):
        await player.press(key)
        assert ANSWERS == [None]
        return
    left: list[bool] = []
    player.app.exit = lambda *_, **__: left.append(True)  # type: ignore[method-assign]
    await player.press(key)
    del player.app.exit
    assert left == [True]


@checks("screen.freeze")
async def freezes(player: Player, key: str) -> None:
    await player.press(key)
    assert "FROZEN" in player.text("#status")
    await player.press(key)
    assert "FROZEN" not in player.text("#status")


@checks("screen.filter")
async def filters(player: Player, key: str) -> None:
    if not isinstance(player.screen, TableScreen):
        player.app.clear_notifications()
        await player.press(key)
        assert "filter: not available" in player.output
        return
    total = player.screen.table.total
    await player.press(key)
    await player.type("zzz")
    await player.press("enter")
    assert player.screen.table.total == 0
    await player.press(key, "ctrl+u", "enter")
    assert player.screen.table.total == total


# Tables


async def _moves(player: Player, key: str, start: str, expected: Callable[[Table[Any]], int]) -> None:
    await player.press(start)
    table = player.screen.query_one(Table)
    where = max(0, min(expected(table), table.total - 1))
    await player.press(key)
    assert table.cursor == where
    assert table.first <= where < table.first + table.room
    assert len(table.rows) <= table.room, "only what is visible is here"
    await player.press("home")


@checks("table.down")
async def goes_down(player: Player, key: str) -> None:
    await _moves(player, key, "home", lambda _: 1)


@checks("table.up")
async def goes_up(player: Player, key: str) -> None:
    await _moves(player, key, "end", lambda table: table.total - 2)


@checks("table.page-down")
async def goes_a_page_down(player: Player, key: str) -> None:
    await _moves(player, key, "home", lambda table: table.room)


@checks("table.page-up")
async def goes_a_page_up(player: Player, key: str) -> None:
    await _moves(player, key, "end", lambda table: table.total - 1 - table.room)


@checks("table.last")
async def goes_to_the_end(player: Player, key: str) -> None:
    await _moves(player, key, "home", lambda table: table.total - 1)


@checks("table.first")
async def goes_to_the_start(player: Player, key: str) -> None:
    await _moves(player, key, "end", lambda _: 0)


@checks("table.sort-left", "table.sort-right")
async def sorts_by_the_column_beside(player: Player, key: str) -> None:
    table, orders = player.screen.table, player.screen.orders()
    before = table.sort
    step = 1 if keys(player.screen)[key] == "table.sort-right" else -1
    await player.press(key)
    assert table.sort == orders[(orders.index(before) + step) % len(orders)]
    assert f"by {table.sort}" in player.text("#caption")
    player.screen.order(before, turned=False)
    await player.settle()


@checks("table.reverse")
async def turns_the_order_round(player: Player, key: str) -> None:
    table = player.screen.table
    before = [table.key(row) for row in table.rows]
    await player.press(key)
    assert table.turned
    assert len(before) < 2 or [table.key(row) for row in table.rows] != before
    await player.press(key)
    assert [table.key(row) for row in table.rows] == before


@checks("table.export")
async def exports(player: Player, key: str) -> None:
    await player.press(key)
    assert isinstance(player.screen, Ask)
    bottom: Any = player.app.screen_stack[0]
    assert player.screen.default == f"{bottom.NAME}.csv"
    await player.press("escape")


# Flows, and what else has a list


async def _shows(player: Player, key: str, kind: type[Screen[Any]], leave: str = "escape") -> None:
    await player.press(key)
    assert isinstance(player.screen, kind)
    await player.press(leave)


@checks("flows.details")
async def shows_a_flow(player: Player, key: str) -> None:
    await _shows(player, key, FlowScreen)


@checks("rules.details", "log.details")
async def shows_an_entry(player: Player, key: str) -> None:
    await _shows(player, key, TextView)


@checks("flows.group")
async def groups(player: Player, key: str) -> None:
    seen = []
    for _ in range(6):
        await player.press(key)
        seen.append(player.screen.group)
        assert player.screen.table.rows
    assert seen == ["subscriber", "rule", "pool-address", "destination", "link", ""]


@checks("flows.mark")
async def marks(player: Player, key: str) -> None:
    table = player.screen.table
    await player.press("home", key)
    assert len(table.marked) == 1
    assert table.cursor == 1
    await player.press("up", key)
    assert not table.marked


@checks("flows.back")
async def goes_a_step_back(player: Player, key: str) -> None:
    screen = player.screen
    screen.filter = "tcp"
    await player.press("g", "g", key)
    assert (screen.group, screen.filter) == ("", "tcp")
    await player.press("space", key)
    assert (screen.table.marked, screen.filter) == (set(), "tcp")
    await player.press(key)
    assert screen.filter == ""


@checks("flows.clear")
async def clears_nothing_for_who_may_only_look(player: Player, key: str) -> None:
    player.app.clear_notifications()
    await player.press(key)
    assert "role is view" in player.output


@checks("mappings.clear")
async def clears_no_mapping_for_who_may_only_look(player: Player, key: str) -> None:
    player.app.clear_notifications()
    await player.press(key)
    assert "clear: role is view" in player.output


@checks("flows.mappings")
async def goes_to_the_mappings(player: Player, key: str) -> None:
    await player.press(key)
    assert player.screen.NAME == "mappings"
    await back_to(player, "flows")


@checks("mappings.flows")
async def shows_the_flows_of_a_mapping(player: Player, key: str) -> None:
    row = player.screen.table.current
    await player.press(key)
    flows = player.screen
    assert flows.NAME == "flows"
    assert flows.filter == f"mapped={row.mapped} mapped_port={row.mapped_port} protocol={row.protocol}"
    shown = {(one.mapped, one.mapped_port, one.protocol) for one in flows.table.rows}
    assert shown == {(row.mapped, row.mapped_port, row.protocol)}
    await player.press("escape")
    await back_to(player, "mappings")


@checks("mappings.back")
async def clears_the_filter_and_goes_back_to_the_flows(player: Player, key: str) -> None:
    screen = player.screen
    screen.filter = "tcp"
    await player.press(key)
    assert (player.screen, screen.filter) == (screen, "")
    await player.press(key)
    assert player.screen.NAME == "flows"
    await back_to(player, "mappings")


@checks("rules.never")
async def shows_rules_that_never_matched(player: Player, key: str) -> None:
    await player.press(key)
    assert {row.packets for row in player.screen.table.rows} == {0}
    await player.press(key)
    assert len({row.packets for row in player.screen.table.rows}) > 1


@checks("subscribers.flows")
async def shows_flows_of_a_subscriber(player: Player, key: str) -> None:
    name = player.screen.table.current.name
    await player.press(key)
    assert player.screen.NAME == "flows"
    assert player.screen.filter == f"source={name}"
    assert {row.source for row in player.screen.table.rows} == {name}
    await player.press("escape", "6")


# Configuration: what it changes on a real gateway is in tests/e2e/test_console.py


@checks("configuration.check")
async def is_refused(player: Player, key: str) -> None:
    player.app.clear_notifications()
    await player.press(key)
    assert "a recording cannot be changed" in player.output


@checks("configuration.confirm")
async def confirms_what_waits(player: Player, key: str) -> None:
    waiting = player.screen.data.history.pending
    player.app.clear_notifications()
    await player.press(key)
    assert ("a recording cannot be changed" if waiting else "no commit is pending") in player.output


@checks("configuration.commit", "configuration.confirmed", "configuration.rollback")
async def asks_then_is_refused(player: Player, key: str) -> None:
    await _shows(player, key, Ask)
    player.app.clear_notifications()
    await player.press(key, "enter")
    assert "a recording cannot be changed" in player.output


@checks("configuration.abort")
async def aborts_what_waits(player: Player, key: str) -> None:
    player.app.clear_notifications()
    if player.screen.data.history.pending:
        await _shows(player, key, Question)
        await player.press(key, "y")
        assert "a recording cannot be changed" in player.output
    else:
        await player.press(key)
        assert "no commit is pending" in player.output


@checks("configuration.history")
async def shows_the_history(player: Player, key: str) -> None:
    await _shows(player, key, HistoryScreen)


@checks("configuration.difference")
async def shows_the_difference(player: Player, key: str) -> None:
    await player.press(key)
    shown = "".join(text for line in player.screen.view.lines for text, _ in line)
    assert "+" in shown
    assert "-" in shown
    await player.press("escape")


@checks("configuration.statement")
async def takes_a_statement(player: Player, key: str) -> None:
    player.app.clear_notifications()
    await player.press(key, "ctrl+u")
    await player.type("unset x")
    await player.press("enter")
    assert "expected set … or delete …" in player.output
    await player.press(key)
    await player.type("rules 10 pool b")
    await player.press("enter")
    assert "a recording cannot be changed" in player.output


# Dialogs


@checks("question.yes")
async def says_yes(player: Player, key: str) -> None:
    await player.press(key)
    assert ANSWERS == [True]


@checks("question.no")
async def says_no(player: Player, key: str) -> None:
    await player.press(key)
    assert ANSWERS == [False]


@checks("ask.leave", "text.close", "flow.close", "history.close")
async def closes(player: Player, key: str) -> None:
    await player.press(key)
    assert ANSWERS == [None]


async def _scrolls(player: Player, key: str, start: str, expected: Callable[[int, int], int]) -> None:
    await player.press(start)
    view = player.screen.view
    room = view.content_size.height
    await player.press(key)
    assert view.top == expected(room, len(view.lines) - room)


@checks("text.down")
async def scrolls_down(player: Player, key: str) -> None:
    await _scrolls(player, key, "home", lambda room, last: 1)


@checks("text.up")
async def scrolls_up(player: Player, key: str) -> None:
    await _scrolls(player, key, "end", lambda room, last: last - 1)


@checks("text.page-down")
async def scrolls_a_page_down(player: Player, key: str) -> None:
    await _scrolls(player, key, "home", lambda room, last: room - 1)


@checks("text.page-up")
async def scrolls_a_page_up(player: Player, key: str) -> None:
    await _scrolls(player, key, "end", lambda room, last: last - room + 1)


@checks("text.first")
async def scrolls_to_the_start(player: Player, key: str) -> None:
    await _scrolls(player, key, "end", lambda room, last: 0)


@checks("text.last")
async def scrolls_to_the_end(player: Player, key: str) -> None:
    await _scrolls(player, key, "home", lambda room, last: last)


@checks("history.mark")
async def marks_a_commit(player: Player, key: str) -> None:
    await player.press("home", key)
    assert len(player.screen.table.marked) == 1
    await player.press("home", key)
    assert not player.screen.table.marked


@checks("history.compare")
async def compares(player: Player, key: str) -> None:
    await player.press("home")
    await _shows(player, key, TextView)


@checks("history.rollback")
async def rolls_back_after_a_question(player: Player, key: str) -> None:
    await _shows(player, key, Question, "n")
