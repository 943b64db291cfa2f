# SPDX-License-Identifier: Apache-2.0
"""Rules in matching order, with rates, and rules that never matched."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding

from snatsh.api.codec import builtins
from snatsh.api.rules import RULE_FIELDS, LiveRule
from snatsh.client import Client
from snatsh.shell.render.text import count, size
from snatsh.tui.screens.tables import LocalTable, Part
from snatsh.tui.widgets.dialogs import TextView
from snatsh.tui.widgets.graph import bits, per_second
from snatsh.tui.widgets.table import Cell, TableColumn

_WORDS = {"protocol": "", "out-interface": "by ", "next-hop": "gw ", "fwmark": "mark "}


def match_text(rule: LiveRule) -> str:
    """Return the match conditions in short form."""
    given = dict(rule.match())
    parts = [f"{given.pop('source', 'any')} → {given.pop('destination', 'any')}"]
    return " ".join([*parts, *(f"{_WORDS.get(name, f'{name} ')}{value}" for name, value in given.items())])


def _hits(row: LiveRule) -> Cell:
    return (size(row.packets), "plain") if row.packets else ("no hits", "warn")


class RulesScreen(LocalTable[LiveRule]):
    NAME = "rules"
    WHAT = "rules in matching order"
    EMPTY = "no rules"
    FIELDS = RULE_FIELDS
    BINDINGS = [
        Binding("enter", "details", "Details", id="rules.details"),
        Binding("n", "never", "No hits", id="rules.never"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.never = False

    def columns(self) -> Sequence[TableColumn[LiveRule]]:
        return (
            TableColumn("#", lambda row: str(row.order + 1), 4, True, "order"),
            TableColumn("rule", lambda row: str(row.number), 5, True, "number"),
            TableColumn("matches", match_text, 0),
            TableColumn("action", lambda row: row.action, 9, sort="action", from_width=100),
            TableColumn("pool", lambda row: row.pool or "-", 6, sort="pool"),
            TableColumn("flows", lambda row: count(row.flows), 7, True, "flows"),
            TableColumn("rate", lambda row: bits(row.rate), 8, True, "rate"),
            TableColumn("pkts/s", lambda row: per_second(row.packet_rate), 7, True, "packet_rate", 110),
            TableColumn("new/s", lambda row: per_second(row.new_rate), 6, True, "new_rate", 110),
            TableColumn("hits", _hits, 9, True, "packets"),
            TableColumn("bytes", lambda row: size(row.bytes), 6, True, "bytes", 100),
        )

    def first_sort(self) -> str:
        return "order"

    def key(self, row: LiveRule) -> int:
        return row.number

    def rows(self, client: Client) -> Sequence[LiveRule]:
        rows = client.live_rules()
        return [row for row in rows if not row.packets] if self.never else rows

    def show(self, data: Part[LiveRule]) -> None:
        self.WHAT = "rules that never matched" if self.never else "rules in matching order"
        super().show(data)

    def action_never(self) -> None:
        self.never = not self.never
        self.table.to_start()
        self.look()

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            fields = [
                [(f"{name:<22}", "dim"), (str(value), "plain")] for name, value in builtins(row).items()
            ]
            self.app.push_screen(TextView(f"Rule {row.number}", fields))
