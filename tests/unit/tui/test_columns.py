# SPDX-License-Identifier: Apache-2.0
"""Columns of the live view: what rules match, and what each column sorts by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from snatsh.api.fields import FieldTable
from snatsh.api.flows import FLOW_FIELDS, GROUP_FIELDS
from snatsh.api.rules import LiveRule
from snatsh.shell.commands import operational
from snatsh.shell.core.command import Option
from snatsh.tui.screens.flows import FLOW_COLUMNS, GROUP_COLUMNS
from snatsh.tui.screens.links import LinksScreen
from snatsh.tui.screens.log import LogScreen
from snatsh.tui.screens.mappings import MappingsScreen
from snatsh.tui.screens.pools import PoolsScreen
from snatsh.tui.screens.rules import RulesScreen, match_text
from snatsh.tui.screens.subscribers import SubscribersScreen
from snatsh.tui.screens.tables import TableScreen, ordered
from snatsh.tui.widgets.table import TableColumn

RULE = LiveRule(
    number=10, order=0, action="drop", pool=None, links=None, failed_over=None, flows=0, created=0,
    packets=0, bytes=0, rate=None, packet_rate=None, new_rate=None,
)  # fmt: skip


def test_rules_screen_shows_every_match_field() -> None:
    assert match_text(RULE) == "any → any"
    assert match_text(replace(RULE, fwmark=7)) == "any → any mark 7"
    rule = replace(
        RULE, source="10.0.0.0/8", destination="9.9.9.0/24", protocol="tcp", out_interface="eth1",
        next_hop="1.1.2.1", fwmark=7,
    )  # fmt: skip
    assert match_text(rule) == "10.0.0.0/8 → 9.9.9.0/24 tcp by eth1 gw 1.1.2.1 mark 7"


SCREENS: tuple[type[TableScreen[Any]], ...] = (
    LinksScreen, LogScreen, MappingsScreen, PoolsScreen, RulesScreen, SubscribersScreen,
)  # fmt: skip


@pytest.mark.parametrize("screen", SCREENS)
def test_columns_sort_by_known_fields(screen: type[TableScreen[Any]]) -> None:
    made = screen()
    assert_sorts(made.columns(), screen.FIELDS)
    assert made.first_sort() in screen.FIELDS.sorts


def test_flows_and_groups_offer_all_sort_fields() -> None:
    assert_sorts(FLOW_COLUMNS, FLOW_FIELDS)
    assert set(FLOW_FIELDS.sorts) == {column.sort for column in FLOW_COLUMNS if column.sort}
    assert set(GROUP_FIELDS.sorts) == {column.sort for column in GROUP_COLUMNS if column.sort}


def test_shell_and_live_view_offer_the_same_sort_fields() -> None:
    command = next(one for one in operational.OPERATIONAL if one.words == ("show", "flows"))
    (sort,) = (one for one in command.parameters if isinstance(one, Option) and one.name == "sort")
    assert sort.choices == FLOW_FIELDS.sorts


def test_rows_without_a_value_sort_last() -> None:
    rows = [None, 3, 1, None, 2]
    assert ordered(rows, lambda row: row, falling=False) == [1, 2, 3, None, None]
    assert ordered(rows, lambda row: row, falling=True) == [3, 2, 1, None, None]


def assert_sorts(columns: Sequence[TableColumn[Any]], fields: FieldTable) -> None:
    for column in columns:
        if column.sort:
            assert column.right == fields[column.sort].is_number, column.sort
