# SPDX-License-Identifier: Apache-2.0
"""Every check across the tree: that it finds what it is for, and names path, value and reason."""
# ruff: noqa: E501 - a table is read best with one line for each case

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from snatsh.model.document.document import Document, to_profile
from snatsh.model.errors import Problem
from snatsh.model.facts import Facts
from snatsh.model.forms import set_form
from snatsh.model.validate.pools import MAX_ADDRESSES, MAX_POOL_ADDRESSES
from snatsh.model.validate.profile_validator import validate
from snatsh.model.values import parse_address
from tests.unit.model.strategies import FACTS, documents, profiles

BASE = """\
set interfaces eth0 role inside
set interfaces eth1 role outside
set interfaces eth2 role outside
set links isp-a interface eth1
set links isp-a next-hop 1.1.2.1
set links isp-b interface eth2
set links isp-b next-hop 1.1.3.1
set pools a address 1.1.2.100-1.1.2.110
set pools b address 1.1.3.100-1.1.3.110
set rules 10 source 192.168.40.0/24
set rules 10 out-interface eth1
set rules 10 pool a
"""


def findings(statements: str, facts: Facts | None = FACTS, base: str = BASE) -> list[Problem]:
    document = set_form.parse(base + statements.replace("; ", "\n") + "\n")
    return validate(to_profile(document), facts)


def test_base_profile_has_no_findings() -> None:
    assert findings("") == []
    assert findings("", facts=None) == []


@given(profiles())
def test_generated_valid_profiles_have_no_errors(document: Document) -> None:
    profile = to_profile(document)
    for facts in (FACTS, None):
        assert [found for found in validate(profile, facts) if found.severity == "error"] == []


@given(documents())
def test_validation_accepts_any_well_formed_document(document: Document) -> None:
    for interface in document.get("interfaces", {}).values():
        interface.setdefault("role", "outside")
    for link in document.get("links", {}).values():
        link.update({"interface": "eth1", "next-hop": "1.1.2.1"} | link)
    profile = to_profile(document)
    for facts in (FACTS, None, Facts({})):
        assert all(str(found) for found in validate(profile, facts))


ERRORS = [
    ("set links x interface eth7; set links x next-hop 1.1.2.9", "links x interface", "eth7", "unknown; expected an"),
    ("set links x interface eth0; set links x next-hop 192.168.40.9", "links x interface", "eth0", "role inside"),
    ("set links isp-a next-hop 1.1.3.7", "links isp-a next-hop", "1.1.3.7", "not on-link by eth1; expected an address in 1.1.2.0/24"),
    ("set links isp-a next-hop 1.1.2.2", "links isp-a next-hop", "1.1.2.2", "this gateway's own, on eth1"),
    ("set pools c interface-address eth1; set pools c address 9.9.9.9", "pools c address", "", "can't be given beside interface-address"),
    ("set pools c interface-address eth0", "pools c interface-address", "eth0", "role inside"),
    ("set link-groups wan spread flow", "link-groups wan link", "", "no link shares"),
    ("set link-groups wan link isp-x weight 1", "link-groups wan link", "isp-x", "unknown; expected a link"),
    ("set rules 10 group wan", "rules 10 group", "wan", "unknown; expected a link group"),
    ("set link-groups wan link isp-a weight 1; set rules 10 group wan; set rules 10 redirect 1.1.3.1", "rules 10 redirect", "1.1.3.1", "beside a group"),
    ("set link-groups wan link isp-a weight 1; set link-groups wan spread flow; set rules 10 group wan; set rules 10 mapping endpoint-independent", "rules 10 mapping", "endpoint-independent", "expected spread subscriber"),
    ("set link-groups wan link isp-a weight 1; set rules 20 group wan", "rules 20 pool", "", "isp-a has none"),
    ("set links isp-a backup isp-b; set links isp-b pool b; set rules 10 mapping endpoint-independent; set rules 20 pool b", "rules 20 mapping", "endpoint-dependent", "rule 10 uses pool b"),
    ("set links isp-a backup isp-a", "links isp-a backup", "isp-a", "can't be its own backup"),
    ("set links isp-a backup isp-x", "links isp-a backup", "isp-x", "unknown; expected a link of this profile"),
    ("set links isp-a pool x", "links isp-a pool", "x", "unknown; expected a pool of this profile"),
    ("set links isp-a monitor icmp target 8.8.8.8; set links isp-a monitor require quorum; set links isp-a monitor quorum 2", "links isp-a monitor quorum", "2", "expected at most 1"),
    ("set links isp-a monitor fail 2", "links isp-a monitor", "", "nothing is probed; expected a target"),
    ("set pools c announce none", "pools c address", "", "missing; expected at least one address"),
    ("set pools c address 9.9.9.0/30; set pools c exclude 9.9.9.0/24", "pools c exclude", "", "leaves no address"),
    ("set pools c address 10.0.0.0/15", "pools c address", "131,072 addresses", "expected at most 65,536"),
    ("set pools c address 127.0.0.9", "pools c address", "127.0.0.9", "expected unicast"),
    ("set pools c address 223.255.255.0-224.0.0.1", "pools c address", "223.255.255.0-224.0.0.1", "expected unicast"),
    ("set pools c address 1.1.2.110-1.1.2.120", "pools c address", "1.1.2.110-1.1.2.120", "overlaps 1.1.2.100-1.1.2.110 of pool a"),
    ("set pools c address 1.1.2.2", "pools c address", "1.1.2.2", "cut off"),
    ("set pools c address 1.1.2.1", "pools c address", "1.1.2.1", "is the next hop of link isp-a"),
    ("set rules 10 redirect 1.1.2.9; set pools c address 1.1.2.8/29", "pools c address", "1.1.2.9", "is the next hop that rule 10 redirects to"),
    ("set rules 10 next-hop 1.1.2.9; set pools c address 1.1.2.8/29", "pools c address", "1.1.2.9", "is the next hop that rule 10 matches"),
    ("set rules 10 failover isp-a redirect 1.1.2.9; set pools c address 1.1.2.8/29", "pools c address", "1.1.2.9", "is the next hop of a failover of rule 10"),
    ("set pools c address 1.1.2.0/29; set pools c exclude 1.1.2.2", "pools c address", "1.1.2.1", "is the next hop of link isp-a"),
    ("set rules 10 pool zz", "rules 10 pool", "zz", "unknown; expected a pool of this profile: a, b"),
    ("set rules 10 out-interface eth0", "rules 10 out-interface", "eth0", "has role inside"),
    ("set rules 10 out-interface eth9", "rules 10 out-interface", "eth9", "unknown; expected an outside interface of this profile: eth1, eth2"),
    ("delete rules 10 pool", "rules 10 pool", "", "missing; expected a pool: a, b"),
    ("set rules 10 action exempt", "rules 10 pool", "a", "a rule with action exempt takes no pool"),
    ("set rules 10 action drop", "rules 10 pool", "a", "a rule with action drop takes no pool"),
    ("set rules 20 pool a; set rules 20 mapping endpoint-independent", "rules 20 mapping", "endpoint-independent", "rule 10 uses pool a with mapping endpoint-dependent; expected the same, or another pool"),
    ("set rules 20 pool b; set rules 10 failover isp-a pool b; set rules 20 mapping endpoint-independent", "rules 20 mapping", "endpoint-independent", "rule 10 uses pool b"),
    ("set rules 10 fwmark 7", "rules 10 fwmark", "7", "expected hook tc on every inside interface, missing on eth0"),
    ("set rules 10 filtering endpoint-independent", "rules 10 filtering", "endpoint-independent", "needs mapping endpoint-independent"),
    ("set rules 10 redirect 9.9.9.9", "rules 10 redirect", "9.9.9.9", "not on-link by any outside interface; expected an address in 1.1.2.0/24, 1.1.3.0/24"),
    ("set rules 10 redirect 192.168.40.9", "rules 10 redirect", "192.168.40.9", "not on-link"),
    ("set rules 10 redirect 1.1.3.2", "rules 10 redirect", "1.1.3.2", "this gateway's own"),
    ("set rules 10 failover nope pool b", "rules 10 failover", "nope", "unknown; expected a link of this profile: isp-a, isp-b"),
    ("set rules 10 failover isp-a pool zz", "rules 10 failover isp-a pool", "zz", "unknown; expected a pool"),
    ("set rules 10 failover isp-a redirect 9.9.9.9", "rules 10 failover isp-a redirect", "9.9.9.9", "not on-link"),
]  # fmt: skip

WARNINGS = [
    ("set interfaces eth7 role outside", "interfaces eth7", "", "missing on this gateway, takes effect when it appears; there are: eth0, eth1, eth2, lo"),
    ("set links isp-b interface eth2; set links isp-b next-hop 1.1.3.1; set links isp-a backup isp-b", "links isp-a backup", "isp-b", "has no pool"),
    ("set links isp-a monitor icmp target 8.8.8.8; set links isp-a monitor quorum 1", "links isp-a monitor quorum", "1", "has no effect"),
    ("set links x interface eth1; set links x next-hop 1.1.2.1", "links x next-hop", "1.1.2.1", "as link isp-a"),
    ("set pools a address 1.1.2.105", "pools a address", "1.1.2.105", "overlaps another address statement"),
    ("set pools a exclude 1.1.2.99", "pools a exclude", "1.1.2.99", "excludes nothing"),
    ("set pools a port-class preserve", "pools a ports", "1024-65535", "expected ports below and from 1024"),
    ("set pools c address 1.1.2.0", "pools c address", "1.1.2.0", "is the network address of 1.1.2.0/24"),
    ("set pools c address 1.1.2.255", "pools c address", "1.1.2.255", "is the broadcast address of 1.1.2.0/24"),
    ("set pools a address 9.9.9.9", "pools a address", "9.9.9.9", "outside 1.1.2.0/24, on-link by eth1 where rule 10 leaves"),
    ("set rules 10 out-interface eth2", "pools a address", "1.1.2.100-1.1.2.110", "outside 1.1.3.0/24, on-link by eth2"),
    ("set rules 10 redirect 1.1.3.1", "pools a address", "1.1.2.100-1.1.2.110", "outside 1.1.3.0/24, on-link by eth2"),
    ("set rules 10 failover isp-a redirect 1.1.3.1", "pools a address", "1.1.2.100-1.1.2.110", "outside 1.1.3.0/24"),
    ("set rules 10 failover isp-a", "rules 10 failover isp-a", "", "changes nothing"),
    ("set rules 10 next-hop 1.1.3.1", "rules 10 next-hop", "1.1.3.1", "not on-link by eth1"),
    ("set rules 20 source 192.168.40.0/24; set rules 20 out-interface eth1; set rules 20 action drop", "rules 20", "", "never matches: rule 10"),
    ("set rules 5 pool a; set rules 20 source 0.0.0.0/0; set rules 20 action drop", "rules 20", "", "never matches: rule 5"),
    ("set rules 20 action drop; set rules 20 algorithm random", "rules 20 algorithm", "random", "no effect with action drop"),
    ("set rules 20 action exempt; set rules 20 mapping endpoint-independent", "rules 20 mapping", "endpoint-independent", "no effect"),
    ("set rules 20 action exempt; set rules 20 redirect 1.1.3.1", "rules 20 redirect", "1.1.3.1", "no effect"),
    ("set rules 20 action exempt; set rules 20 failover isp-a pool a", "rules 20 failover", "", "no effect"),
    ("set rules 20 action exempt; set rules 20 source 10.0.0.0/8", "system inbound", "", "by rule 20 can't be reached"),
    ("set system default-action pass", "system inbound", "", "by default-action pass can't be reached"),
    ("delete interfaces eth0", "interfaces", "", "no interface has role inside"),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "path", "value", "reason"), ERRORS)
def test_invalid_profiles_have_errors(statements: str, path: str, value: str, reason: str) -> None:
    assert ("error", path, value) in [
        (found.severity, " ".join(found.path), found.value)
        for found in findings(statements)
        if reason in found.reason
    ]


@pytest.mark.parametrize(("statements", "path", "value", "reason"), WARNINGS)
def test_questionable_profiles_have_warnings(statements: str, path: str, value: str, reason: str) -> None:
    found = findings(statements)
    assert [(one.severity, " ".join(one.path), one.value) for one in found if reason in one.reason] == [
        ("warning", path, value)
    ]
    assert [one for one in found if one.severity == "error"] == []


@pytest.mark.parametrize(
    "statements",
    [
        "set pools c address 1.1.2.0/25; set pools c exclude [ 1.1.2.0-1.1.2.2 1.1.2.100-1.1.2.110 ]",
        "set pools c address 1.1.2.2; set pools c unmatched stack",
        "set pools a address 9.9.9.9; set pools a announce none",
        "set rules 20 source 192.168.40.0/24; set rules 20 out-interface eth1; set rules 20 protocol udp; "
        "set rules 20 pool a",
        "set rules 10 failover isp-a pool b; set rules 10 failover isp-a redirect 1.1.3.1",
        "set rules 20 action exempt; set rules 20 destination 8.8.8.8; set system inbound drop",
        "set rules 20 action exempt; set rules 20 destination 8.8.8.8; set system inbound pass",
        f"set pools c address 9.0.0.0-9.0.{MAX_POOL_ADDRESSES // 256 - 1}.255",
    ],
)
def test_valid_variants_have_no_findings(statements: str) -> None:
    assert findings(statements) == []


def test_total_of_pool_addresses_is_bounded() -> None:
    count = MAX_ADDRESSES // MAX_POOL_ADDRESSES
    pools = "; ".join(f"set pools p{n} address 9.{n}.0.0/16" for n in range(count))
    found = [str(one) for one in findings(pools, facts=None)]
    assert found == [
        "pools: 1,048,598 addresses: more than all pools together may hold; expected at most 1,048,576"
    ]


def test_pool_overlaps_are_reported_once_per_pair() -> None:
    pools = "set pools c address [ 9.0.0.0/24 ]; set pools d address [ 9.0.0.5 9.0.0.7 ]; set pools e address 9.0.0.9"
    assert [(one.path[1], one.value) for one in findings(pools, facts=None)] == [
        ("d", "9.0.0.5"),
        ("e", "9.0.0.9"),
    ]


def test_unreachable_pools_are_reported_once() -> None:
    rules = "; ".join(
        f"set rules {n} destination 8.8.8.{n}; set rules {n} pool b; set rules {n} out-interface eth1"
        for n in range(20, 40)
    )
    assert [str(one) for one in findings(rules)] == [
        "pools b address: 1.1.3.100-1.1.3.110: is outside 1.1.2.0/24, on-link by eth1 where rule 20 leaves; "
        "expected announce none, and a route to this gateway"
    ]


def test_host_checks_are_skipped_without_facts() -> None:
    statements = (
        "set interfaces eth7 role outside; set rules 10 redirect 9.9.9.9; set pools c address 1.1.2.2"
    )
    assert findings(statements, facts=None) == []


def test_disabled_forwarding_is_reported() -> None:
    found = findings("", facts=replace(FACTS, forwarding=False))
    assert [(one.severity, one.path) for one in found] == [("warning", ())]
    assert "net.ipv4.ip_forward" in found[0].reason


@pytest.mark.parametrize(("hook", "warnings"), [("xdp", 1), ("auto", 1), ("tc", 0)])
def test_vlan_offload_under_xdp_is_reported(hook: str, warnings: int) -> None:
    found = findings(f"set interfaces eth1 hook {hook}", facts=replace(FACTS, untagging=frozenset({"eth1"})))
    assert (
        sum("VLAN tags" in problem.reason and problem.severity == "warning" for problem in found) == warnings
    )


def test_outside_interface_without_address_is_a_warning() -> None:
    bare = replace(FACTS.interfaces["eth1"], addresses=())
    found = findings("set rules 10 redirect 1.1.2.9", facts=Facts({**FACTS.interfaces, "eth1": bare}))
    assert {(one.severity, " ".join(one.path)) for one in found} == {
        ("warning", "links isp-a next-hop"),
        ("warning", "rules 10 redirect"),
    }
    assert all("eth1 has no subnet at the moment" in one.reason for one in found)


@pytest.mark.parametrize(
    "statements",
    [
        "set pools c interface-address eth2",
        "set rules 20 source 192.168.41.0/24; set rules 20 out-interface eth2; set rules 20 pool b",
        "set rules 10 redirect 1.1.3.1",
        "set rules 10 failover isp-a redirect 1.1.3.1",
        "set links isp-a backup isp-b; set links isp-b pool b",
        "set link-groups wan link isp-b weight 1; set rules 20 group wan; set rules 20 pool b",
        "set links isp-b monitor arp target 1.1.3.1",
        "delete links isp-b next-hop",
        "set interfaces eth2 hook xdp",
    ],
)
def test_missing_interface_is_a_warning_wherever_it_is_named(statements: str) -> None:
    there = {name: known for name, known in FACTS.interfaces.items() if name != "eth2"}
    found = findings(statements, facts=replace(FACTS, interfaces=there))
    assert [str(one) for one in found if one.severity == "error"] == []
    assert ("interfaces", "eth2") in [one.path for one in found]


@pytest.mark.parametrize("announce", ["arp", "none"])
@pytest.mark.parametrize(
    ("interface", "hop"), [("eth1", "1.1.2.9"), ("eth0", "192.168.40.9"), ("eth2", "1.1.3.9")]
)
def test_pool_that_holds_the_next_hop_of_a_route_is_refused(interface: str, hop: str, announce: str) -> None:
    """As of a default route without a link, or of a router inside."""
    facts = replace(FACTS, gateways=frozenset({(interface, parse_address(hop))}))
    found = findings(f"set pools c address {hop}/32; set pools c announce {announce}", facts=facts)
    assert ("error", hop, f"is the next hop of a route by {interface}; expected it excluded") in [
        (one.severity, one.value, one.reason) for one in found if one.path == ("pools", "c", "address")
    ]


@pytest.mark.parametrize(("announce", "warnings"), [("arp", ["1.1.2.105"]), ("none", [])])
def test_announced_address_of_a_known_neighbor_is_a_warning(announce: str, warnings: list[str]) -> None:
    near = {("eth1", parse_address(f"1.1.2.{last}")): "02:00:00:00:00:07" for last in (99, 105)}
    found = findings(f"set pools a announce {announce}", facts=replace(FACTS, neighbors=near))
    assert [one.value for one in found if one.severity == "warning"] == warnings
    assert all("is in use by a neighbor on eth1 (02:00:00:00:00:07)" in one.reason for one in found)


def test_link_without_route_or_rule_is_reported() -> None:
    def about_routes(statements: str, gateways: Any) -> list[tuple[str, str]]:
        found = findings(statements, facts=replace(FACTS, gateways=gateways))
        return [(one.severity, " ".join(one.path)) for one in found if "no route goes by it" in one.reason]

    both = frozenset({("eth1", parse_address("1.1.2.1")), ("eth2", parse_address("1.1.3.1"))})
    assert about_routes("", None) == about_routes("", both) == []
    only_a = frozenset({("eth1", parse_address("1.1.2.1"))})
    assert about_routes("", only_a) == [("error", "links isp-b next-hop")]
    for way in (
        "set links isp-a backup isp-b",
        "set rules 10 redirect 1.1.3.1",
        "set rules 10 failover isp-a redirect 1.1.3.1",
        "set link-groups wan link isp-b weight 1",
    ):
        assert about_routes(way, only_a) == [], way
    down = {**FACTS.interfaces, "eth2": replace(FACTS.interfaces["eth2"], up=False)}
    found = findings("", facts=replace(FACTS, interfaces=down, gateways=only_a))
    assert [one.severity for one in found if "no route goes by it" in one.reason] == ["warning"]


def test_next_hop_is_optional_on_point_to_point_interfaces() -> None:
    line = replace(FACTS.interfaces["eth2"], framing="none", peers=(parse_address("1.1.3.1"),))

    def about(link: str, facts: Facts | None) -> list[tuple[str, str]]:
        found = findings(f"delete links isp-b next-hop\n{link}", facts=facts)
        return [(one.severity, " ".join(one.path)) for one in found if one.path[0] != "rules"]

    assert about("", FACTS) == [("error", "links isp-b next-hop")]
    there = replace(FACTS, interfaces={**FACTS.interfaces, "eth2": line})
    assert ("error", "links isp-b next-hop") not in about("", there)
    alone = replace(FACTS, interfaces={**FACTS.interfaces, "eth2": replace(line, peers=())})
    assert ("error", "links isp-b next-hop") in about("", alone)
    assert ("error", "links isp-b monitor arp") in about("set links isp-b monitor arp target 1.1.3.1", there)
    assert ("error", "interfaces eth2 hook") in about("set interfaces eth2 hook xdp", there)
    assert ("error", "interfaces eth2 role") in about("set interfaces eth2 role inside", there)
    other = replace(FACTS, interfaces={**FACTS.interfaces, "eth2": replace(line, framing="other")})
    assert ("error", "interfaces eth2") in about("", other)
