# SPDX-License-Identifier: Apache-2.0
"""Pipes and renderers on literal data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from snatsh.api.codec import encode
from snatsh.api.diagnostics import PacketTrial, Verdict
from snatsh.api.flows import Flow, FlowListing
from snatsh.api.interfaces import Drops, Reason
from snatsh.api.pools import Active, AddressUsage, PoolRow
from snatsh.api.rules import RuleFailover, RuleRow
from snatsh.shell.commands import operational_mode
from snatsh.shell.core.answers import ShellError, TableAnswer
from snatsh.shell.core.grammar import parse
from snatsh.shell.core.product import Product
from snatsh.shell.pipes import filters
from snatsh.shell.render import system_tables, tables

FLOW = Flow(
    source="192.168.40.9", source_port=50000, destination="203.0.113.80", destination_port=443,
    protocol="tcp", mapped="1.1.2.100", mapped_port=50000, state="established", rule=10,
    out_interface="eth1", redirect="", packets_out=12, bytes_out=1500, packets_in=10, bytes_in=2_000_000,
    age=70.0, idle=3.2, expires=7436.8,
)  # fmt: skip
FLOWS = FlowListing(total=3, matched=2, capacity=262_144, flows=[FLOW])


def through(command: str, data: Any, render: Callable[[Any], str]) -> Any:
    """What the operator reads, of this data by this command."""
    parsed = parse(command, operational_mode.grammar(), filters.grammar)
    product = Product(TableAnswer(data, render))
    for pipe in parsed.pipes:
        product = pipe.run(None, product, **pipe.arguments)
    return product


def test_flows_table() -> None:
    assert through("show flows", FLOWS, tables.flows).text == (
        "Proto  Source              Destination       Mapped           State        Rule  Out   "
        "Out bytes  In bytes  Idle  Expires\n"
        "tcp    192.168.40.9:50000  203.0.113.80:443  1.1.2.100:50000  established    10  eth1  "
        "     1.5K      2.0M    3s    2h03m\n"
        "2 flows of 3, 1 shown; use `limit` for more\n"
    )


def test_empty_flows_table() -> None:
    empty = FlowListing(total=0, matched=0, capacity=10, flows=[])
    assert through("show flows", empty, tables.flows).text == "No flows\n"
    assert "No flow matches, of 5" in through("show flows", replace(empty, total=5), tables.flows).text


def test_json_shows_the_data() -> None:
    shown = json.loads(through("show flows | json", FLOWS, tables.flows).text)
    assert shown == json.loads(encode(FLOWS))
    assert shown["flows"][0]["mapped_port"] == 50000


def test_line_filters_chain() -> None:
    assert through("show flows | match TCP | count", FLOWS, tables.flows).text == "Count: 1 line\n"
    assert through("show flows | except tcp | count", FLOWS, tables.flows).text == "Count: 2 lines\n"
    assert "mapped_port" in through("show flows | display json | match _PORT", FLOWS, tables.flows).text
    assert through("show flows | match nothing", FLOWS, tables.flows).text == ""


def test_no_more_disables_paging() -> None:
    product = through("show flows | no-more", FLOWS, tables.flows)
    assert not product.paged
    assert product.text == through("show flows", FLOWS, tables.flows).text


def test_format_pipe_on_plain_text_is_refused() -> None:
    with pytest.raises(ShellError, match="json: must precede"):
        through("show flows | match tcp | json", FLOWS, tables.flows)


def test_control_characters_in_data_are_escaped() -> None:
    forged = replace(FLOW, out_interface="eth\x1b[2J")
    text = through("show flows", replace(FLOWS, flows=[forged]), tables.flows).text
    assert "\x1b" not in text
    assert "eth\\x1b[2J" in text


def test_pools_table_lists_addresses() -> None:
    usage = AddressUsage("1.1.2.100", tcp=5, udp=2, icmp=0, created=9, exhausted=1)
    pool = PoolRow(
        name="a", addresses=1100, ports="1024-65535", announce="arp",
        active=Active(tcp=5, udp=2, icmp=0), created=9, exhausted=1, usage=[usage],
    )  # fmt: skip
    assert tables.pools([pool]).splitlines()[1].split() == [
        "a", "1,100", "1024-65535", "arp", "5", "2", "0", "9", "1",
    ]  # fmt: skip
    assert tables.pool_detail([pool]).splitlines()[-1].split() == ["1.1.2.100", "5", "2", "0", "9", "1"]
    assert "No address of a has been used" in tables.pool_detail([replace(pool, usage=[])])


def test_rules_table_shows_match_and_action() -> None:
    rule = RuleRow(
        order=0, number=10, source="10.0.0.0/8", protocol="tcp", action="translate", pool="a",
        redirect="1.1.3.1", failover={"isp-a": RuleFailover(pool="b")}, links=None, failed_over=None,
        flows=3, created=1000, packets=1_500_000, bytes=2_000_000_000,
    )  # fmt: skip
    text = tables.rules([rule])
    assert "source 10.0.0.0/8 protocol tcp" in text
    assert "translate a via 1.1.3.1" in text
    assert "failover:" in tables.rule_detail([rule])
    assert "isp-a pool b" in tables.rule_detail([rule])


def test_rules_table_shows_every_match_field() -> None:
    rule = RuleRow(
        order=0, number=10, source="10.0.0.0/8", destination="9.9.9.0/24", protocol="tcp",
        out_interface="eth1", next_hop="1.1.2.1", fwmark=7, action="drop", pool=None, links=None,
        failed_over=None, flows=0, created=0, packets=0, bytes=0,
    )  # fmt: skip
    given = (
        "source 10.0.0.0/8 destination 9.9.9.0/24 protocol tcp out-interface eth1 next-hop 1.1.2.1 fwmark 7"
    )
    assert given in tables.rules([rule])
    only = replace(rule, source=None, destination=None, protocol=None, out_interface=None, next_hop=None)
    assert tables.rules([only]).splitlines()[1].split() == [
        "1", "10", "fwmark", "7", "drop", "0", "0", "0", "0",
    ]  # fmt: skip
    assert tables.rules([replace(only, fwmark=None)]).splitlines()[1].split()[2] == "any"


def test_test_packet_shows_the_redirect() -> None:
    verdict = Verdict(
        verdict="translate", reason="rule 30 is the most specific of those that match", rule=30, ways="",
        pool="d", addresses=["1.1.3.120"], out_interface="eth2", redirect="1.1.3.1", next_hop="1.1.3.1",
        others=[],
    )  # fmt: skip
    assert "  Redirect:  1.1.3.1\n" in system_tables.trial(PacketTrial(verdict, flow=None))
    routed = replace(verdict, redirect="")
    assert "Redirect" not in system_tables.trial(PacketTrial(routed, flow=None))


def test_drops_table_omits_zero_counters() -> None:
    reason = Reason("no-port", "no port left", packets=2, bytes=120)
    never = replace(reason, reason="no-flow", packets=0)
    text = tables.drops(Drops(drops=[reason, never], handed_up=[]))
    assert "no-port" in text
    assert "no-flow" not in text
    assert "No packets passed" in text
