# SPDX-License-Identifier: Apache-2.0
"""Profiles compiled to images, and what the reference matcher makes of them."""

from __future__ import annotations

from dataclasses import fields
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest

from snatsh.compile.compiler import compile_profile
from snatsh.compile.image import MAX_MASK_SETS, Image
from snatsh.compile.match import MATCH_FIELDS, Match, Packet
from snatsh.compile.reference_matcher import find_rule, judge
from snatsh.model.errors import ProfileError
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.schema.profile import Profile, RuleMatch

FACTS = Facts(
    {
        "eth0": InterfaceFacts(2, b"\x02\0\0\0\0\x02", 1500, True, (IPv4Interface("192.168.40.1/24"),)),
        "eth1": InterfaceFacts(3, b"\x02\0\0\0\0\x03", 1500, True, (IPv4Interface("1.1.2.2/24"),)),
        "eth2": InterfaceFacts(4, b"\x02\0\0\0\0\x04", 1500, True, (IPv4Interface("1.1.3.2/24"),)),
    }
)
INTERFACES = {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}, "eth2": {"role": "outside"}}
POOLS = {"a": {"address": ["1.1.2.100-1.1.2.110"]}, "b": {"address": ["1.1.3.100"]}}


def image(rules: dict[str, Any], down: frozenset[str] = frozenset(), **other: Any) -> Image:
    document = {"interfaces": INTERFACES, "pools": POOLS, "rules": rules, **other}
    return compile_profile(Profile.model_validate(document), FACTS, down)


def packet(source: str = "192.168.40.9", destination: str = "8.8.8.8", **other: Any) -> Packet:
    values = {"protocol": 6, "source_port": 1000, "destination_port": 80, "out_interface": 3}
    next_hop = IPv4Address(other.pop("next_hop", "1.1.2.1"))
    return Packet(IPv4Address(source), IPv4Address(destination), next_hop=next_hop, **{**values, **other})


def chosen(rules: dict[str, Any], given: Packet) -> int | None:
    rule = find_rule(image({number: {"pool": "a", **rule} for number, rule in rules.items()}), given)
    return rule.number if rule else None


def test_rule_precedence() -> None:
    assert chosen({"1": {"source": "192.168.0.0/16"}, "9": {"source": "192.168.40.0/24"}}, packet()) == 9
    source_first = {"1": {"destination": "8.8.8.8/32"}, "9": {"source": "192.0.0.0/8"}}
    assert chosen(source_first, packet()) == 9
    assert chosen({"1": {"destination": "8.0.0.0/8"}, "9": {"destination": "8.8.0.0/16"}}, packet()) == 9
    assert chosen({"1": {}, "9": {"out-interface": "eth1"}}, packet()) == 9, "a catch-all hides nothing"
    assert chosen({"1": {"protocol": "tcp"}, "9": {"next-hop": "1.1.2.1", "protocol": "tcp"}}, packet()) == 9
    assert chosen({"5": {"protocol": "tcp"}, "3": {"out-interface": "eth1"}}, packet()) == 3
    assert chosen({"5": {"source": "0.0.0.0/0"}, "3": {}}, packet()) == 3


def test_all_match_fields_must_match() -> None:
    for rule in (
        {"protocol": "udp"},
        {"out-interface": "eth2"},
        {"next-hop": "1.1.3.1"},
        {"source": "10.0.0.0/8"},
    ):
        assert chosen({"1": rule}, packet()) is None


def test_reference_matcher_verdicts() -> None:
    assert judge(image({}), packet()).verdict == "drop"
    assert judge(image({}, system={"default-action": "pass"}), packet()).verdict == "pass"
    assert judge(image({"1": {"action": "exempt"}}), packet()).verdict == "pass"
    assert judge(image({"1": {"action": "drop"}}), packet()).verdict == "drop"
    translated = judge(image({"1": {"pool": "b"}}), packet())
    assert (translated.verdict, translated.addresses) == ("translate", (IPv4Address("1.1.3.100"),))


def test_failover_replaces_pool_and_redirect_while_the_link_is_down() -> None:
    rules = {"1": {"pool": "a", "failover": {"isp-a": {"redirect": "1.1.3.1", "pool": "b"}}}}
    links = {"isp-a": {"interface": "eth1", "next-hop": "1.1.2.1"}}
    (up,) = image(rules, links=links).rules
    (down,) = image(rules, frozenset({"isp-a"}), links=links).rules
    assert (up.pool, up.redirect) == (0, None)
    assert (down.pool, down.redirect) == (1, IPv4Address("1.1.3.1"))


def test_pool_addresses_are_announced_on_the_interface_of_their_subnet() -> None:
    pools = {
        "a": {"address": ["1.1.2.254-1.1.3.1", "203.0.113.0/30"]},
        "b": {"address": ["1.1.3.9"], "announce": "none"},
    }
    made = image({}, pools=pools)
    places = {str(entry.prefix): entry.announce for entry in made.pool_addresses}
    assert places["1.1.2.254/31"] == 3
    assert places["1.1.3.0/31"] == 4
    assert places["203.0.113.0/30"] == 0
    assert places["1.1.3.9/32"] == 0


def test_disabled_datapath_requests_no_hooks() -> None:
    assert len(image({}).hooks) == 3
    assert image({}, system={"datapath": "disabled"}).hooks == ()


def test_missing_interfaces_are_named_in_the_error() -> None:
    with pytest.raises(
        ProfileError, match="eth9: no such interface on this gateway; there are: eth0, eth1, eth2"
    ):
        image({}, interfaces={**INTERFACES, "eth9": {"role": "inside"}})


def test_mask_set_limit_is_enforced() -> None:
    lengths = [(source, destination) for source in range(33) for destination in range(33)][
        : MAX_MASK_SETS + 1
    ]
    rules = {
        str(number): {"source": f"0.0.0.0/{source}", "destination": f"0.0.0.0/{destination}", "pool": "a"}
        for number, (source, destination) in enumerate(lengths, 1)
    }
    with pytest.raises(ProfileError, match=f"at most {MAX_MASK_SETS} combinations"):
        image(rules)
    del rules[str(len(lengths))]
    assert len(image(rules).mask_sets) == MAX_MASK_SETS


def test_every_match_field_of_the_schema_is_compiled() -> None:
    names = {field.name for field in MATCH_FIELDS}
    assert names | {"source", "destination"} == set(RuleMatch.model_fields)
    assert names <= {field.name for field in fields(Packet)}
    assert names | {"source", "destination"} == {field.name for field in fields(Match)}
