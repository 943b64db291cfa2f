# SPDX-License-Identifier: Apache-2.0
"""Pipes and renderers on literal data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from snatsh.shell.commands import operational_mode
from snatsh.shell.core.answers import ShellError, TableAnswer
from snatsh.shell.core.grammar import parse
from snatsh.shell.core.product import Product
from snatsh.shell.pipes import pipes
from snatsh.shell.render import tables

FLOW = {
    "source": "192.168.40.9", "source_port": 50000, "destination": "203.0.113.80", "destination_port": 443,
    "protocol": "tcp", "mapped": "1.1.2.100", "mapped_port": 50000, "state": "established", "rule": 10,
    "out_interface": "eth1", "packets_out": 12, "bytes_out": 1500, "packets_in": 10, "bytes_in": 2_000_000,
    "age": 70.0, "idle": 3.2, "expires": 7436.8,
}  # fmt: skip
FLOWS = {"flows": [FLOW], "total": 3, "matched": 2, "capacity": 262_144}


def through(command: str, data: Any, render: Callable[[Any], str]) -> Any:
    """What the operator reads, of this data by this command."""
    parsed = parse(command, operational_mode.grammar(), pipes.grammar)
    product = Product(TableAnswer(data, render))
    for pipe in parsed.pipes:
        product = pipe.run(None, product, **pipe.arguments)
    return product


def test_flows_as_a_table() -> None:
    assert through("show flows", FLOWS, tables.flows).text == (
        "Proto  Source              Destination       Mapped           State        Rule  Out   "
        "Out bytes  In bytes  Idle  Expires\n"
        "tcp    192.168.40.9:50000  203.0.113.80:443  1.1.2.100:50000  established    10  eth1  "
        "     1.5K      2.0M    3s    2h03m\n"
        "2 flows of 3, 1 shown; `limit` shows more\n"
    )


def test_no_flows() -> None:
    empty = {"flows": [], "total": 0, "matched": 0, "capacity": 10}
    assert through("show flows", empty, tables.flows).text == "No flows\n"
    assert "No flow matches, of 5" in through("show flows", empty | {"total": 5}, tables.flows).text


def test_json_is_the_data() -> None:
    assert json.loads(through("show flows | json", FLOWS, tables.flows).text) == FLOWS


def test_line_pipes_chain() -> None:
    assert through("show flows | match TCP | count", FLOWS, tables.flows).text == "Count: 1 line\n"
    assert through("show flows | except tcp | count", FLOWS, tables.flows).text == "Count: 2 lines\n"
    assert "mapped_port" in through("show flows | display json | match _PORT", FLOWS, tables.flows).text
    assert through("show flows | match nothing", FLOWS, tables.flows).text == ""


def test_no_more_keeps_everything_but_the_pause() -> None:
    product = through("show flows | no-more", FLOWS, tables.flows)
    assert not product.paged
    assert product.text == through("show flows", FLOWS, tables.flows).text


def test_a_form_asked_of_mere_text_says_so() -> None:
    with pytest.raises(ShellError, match="put json before"):
        through("show flows | match tcp | json", FLOWS, tables.flows)


def test_control_characters_in_data_are_escaped() -> None:
    forged = FLOW | {"out_interface": "eth\x1b[2J"}
    text = through("show flows", FLOWS | {"flows": [forged]}, tables.flows).text
    assert "\x1b" not in text
    assert "eth\\x1b[2J" in text


def test_pools_with_their_addresses() -> None:
    usage = {"address": "1.1.2.100", "tcp": 5, "udp": 2, "icmp": 0, "created": 9, "exhausted": 1}
    pool: Any = {
        "name": "a", "addresses": 1100, "ports": "1024-65535", "announce": "arp",
        "active": {"tcp": 5, "udp": 2, "icmp": 0}, "created": 9, "exhausted": 1, "usage": [usage],
    }  # fmt: skip
    assert tables.pools([pool]).splitlines()[1].split() == [
        "a", "1,100", "1024-65535", "arp", "5", "2", "0", "9", "1",
    ]  # fmt: skip
    assert tables.pool_detail([pool]).splitlines()[-1].split() == ["1.1.2.100", "5", "2", "0", "9", "1"]
    assert "No address of a was used" in tables.pool_detail([pool | {"usage": []}])


def test_rules_tell_match_and_action() -> None:
    rule = {
        "order": 0, "number": 10, "source": "10.0.0.0/8", "destination": None, "protocol": "tcp",
        "action": "translate", "pool": "a", "redirect": "1.1.3.1",
        "failover": {"isp-a": {"pool": "b", "redirect": None}},
        "flows": 3, "created": 1000, "packets": 1_500_000, "bytes": 2e9,
    }  # fmt: skip
    text = tables.rules([rule])
    assert "source 10.0.0.0/8 protocol tcp" in text
    assert "translate a via 1.1.3.1" in text
    assert "failover:" in tables.rule_detail([rule])
    assert "isp-a pool b" in tables.rule_detail([rule])


def test_drops_leave_out_what_never_happened() -> None:
    reason: Any = {"reason": "no-port", "help": "no port left", "packets": 2, "bytes": 120}
    never: Any = reason | {"reason": "no-flow", "packets": 0}
    text = tables.drops({"drops": [reason, never], "handed_up": []})
    assert "no-port" in text
    assert "no-flow" not in text
    assert "Nothing was handed up" in text
