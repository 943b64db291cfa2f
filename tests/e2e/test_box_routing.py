# SPDX-License-Identifier: Apache-2.0
"""Policy rules, routes and settings of the host are followed, or named where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.findings import Box, alarms, box_of, is_found, is_gone, said, udp_seen_from
from tests.e2e.harness import VIA_A, Gateway, addresses, document, seen_from
from tests.waiting import wait


@pytest.fixture
def box(gateway: Gateway) -> Iterator[Box]:
    """Run a command on the gateway."""
    run = box_of(gateway)
    yield run
    run("nft", "flush", "ruleset")


@pytest.fixture
def by_isp_b(box: Box) -> Iterator[Callable[..., None]]:
    """Add a policy rule with this selector, by which packets leave by isp-b."""
    box("ip", "route", "add", "default", "via", "1.1.3.1", "table", "7")

    def add(*selector: str) -> None:
        box("ip", "rule", "add", "priority", "100", *selector, "lookup", "7")

    yield add
    box("ip", "route", "flush", "table", "7")
    box("ip", "rule", "delete", "priority", "100")


def verdict(gateway: Gateway, *options: str) -> str:
    packet = ("test packet source 192.168.40.9 destination", VIA_A, "protocol tcp destination-port", *options)
    return gateway.snatd.shell(" ".join(packet)).stdout


@pytest.mark.parametrize("selector", ["ipproto tcp", "ipproto tcp sport 1024-65534 dport 80"])
def test_policy_rules_by_protocol_and_ports(
    gateway: Gateway, by_isp_b: Callable[..., None], selector: str
) -> None:
    by_isp_b("iif", "eth0", *selector.split())
    wait(lambda: seen_from(gateway) in addresses("b"), "followed")
    assert udp_seen_from(gateway) in addresses("a")
    assert "Next hop:  1.1.3.1" in verdict(gateway, "80 source-port 40000")
    assert ("Next hop:  1.1.3.1" in verdict(gateway, "81")) == (selector == "ipproto tcp")
    assert not [warning for warning in said(gateway) if "ip rule" in warning]


@pytest.mark.parametrize("by", ["rule", "route"])
def test_type_of_service(gateway: Gateway, box: Box, by: str) -> None:
    if by == "rule":
        box("ip", "route", "add", "default", "via", "1.1.3.1", "table", "7")
        box("ip", "rule", "add", "priority", "100", "tos", "0x10", "lookup", "7")
    else:
        box("ip", "route", "add", "default", "tos", "0x10", "via", "1.1.3.1")
    try:
        wait(lambda: udp_seen_from(gateway, 0x10) in addresses("b"), "followed")
        assert udp_seen_from(gateway) in addresses("a")
    finally:
        if by == "rule":
            box("ip", "route", "flush", "table", "7")
            box("ip", "rule", "delete", "priority", "100")
        else:
            box("ip", "route", "delete", "default", "tos", "0x10", "via", "1.1.3.1")


MARKS = """
table ip marks {
    chain early {
        type filter hook prerouting priority mangle; policy accept;
        tcp dport 80 meta mark set 7
    }
}
"""


def test_policy_rules_by_mark(gateway: Gateway, box: Box, by_isp_b: Callable[..., None]) -> None:
    """They matter where something sets marks."""
    by_isp_b("fwmark", "7", "iif", "eth0")
    assert not [warning for warning in said(gateway) if "ip rule" in warning]
    box("nft", "-f", "-", stdin=MARKS)
    name = "ip rule 100: from all fwmark 0x7 iif eth0 lookup 7 is not followed"
    is_found(gateway, name, "major")
    assert seen_from(gateway) in addresses("a"), "as it says"
    text = verdict(gateway, "80 mark 7")
    assert "Next hop:  1.1.2.1" in text
    assert "the kernel would route a packet with mark 0x7 by eth2 to 1.1.3.1" in text
    assert name in text


def test_forwarding_is_switched_off(gateway: Gateway) -> None:
    try:
        for where, text in (("ip_forward", "ip_forward is off"), ("conf/eth0/forwarding", "forwarding is 0")):
            gateway.lab["gateway"].sysctl({f"ipv4/{where}": "0"})
            wait(lambda: [one for one in alarms(gateway).items() if text in one[0]], text)  # noqa: B023
            assert {found for alarm, found in alarms(gateway).items() if text in alarm} == {"major"}
            gateway.lab["gateway"].sysctl({"ipv4/ip_forward": "1"})
    finally:
        gateway.lab["gateway"].sysctl({"ipv4/ip_forward": "1", "ipv4/conf/eth0/forwarding": "1"})
    wait(lambda: alarms(gateway) == {}, "no alarm")


def test_strict_reverse_path_filter(gateway: Gateway) -> None:
    gateway.lab["gateway"].sysctl({"ipv4/conf/eth2/rp_filter": "1"})
    try:
        assert not [warning for warning in said(gateway) if "reverse path" in warning]
        client = gateway.snatd.client
        client.replace_candidate(
            {**document(gateway.hook), "rules": {"10": {"pool": "b", "redirect": "1.1.3.1"}}}
        )
        strict = [row for row in client.commit(check=True).warnings if "reverse path filter" in row.reason]
        assert [row.path for row in strict] == [["interfaces", "eth2"]]
    finally:
        gateway.lab["gateway"].sysctl({"ipv4/conf/eth2/rp_filter": "0"})
        client.replace_candidate(document(gateway.hook))


@pytest.mark.parametrize("by", ["multipath", "nexthop object"])
def test_several_next_hops_of_a_route(gateway: Gateway, box: Box, by: str) -> None:
    """Flows are spread by the kernel's hash, here of layer 4, and get an address of the provider."""
    gateway.lab["gateway"].sysctl({"ipv4/fib_multipath_hash_policy": "1"})
    hops = (("1.1.2.1", "eth1"), ("1.1.3.1", "eth2"))
    if by == "multipath":
        spread = [word for hop, dev in hops for word in ("nexthop", "via", hop, "dev", dev)]
    else:
        for number, (hop, dev) in enumerate(hops, 1):
            box("ip", "nexthop", "add", "id", f"{number}", "via", hop, "dev", dev)
        box("ip", "nexthop", "add", "id", "3", "group", "1/2")
        spread = ["nhid", "3"]
    try:
        box("ip", "route", "add", f"{VIA_A}/32", *spread)
        seen: set[str] = set()

        def is_spread() -> bool:
            seen.add(udp_seen_from(gateway))
            return bool(seen & addresses("a")) and bool(seen & addresses("b"))

        wait(is_spread, "flows by both providers")
        assert seen <= addresses("a", "b")
    finally:
        if by == "multipath":
            box("ip", "route", "delete", f"{VIA_A}/32")
        else:
            box("ip", "nexthop", "flush")  # and the route with them
        gateway.lab["gateway"].sysctl({"ipv4/fib_multipath_hash_policy": "0"})


def test_ipsec_policies(gateway: Gateway, box: Box) -> None:
    """A rule that exempts what they are for leaves it to them."""
    selector = ("src", "192.168.40.0/24", "dst", "8.8.8.0/24", "dir", "out")
    own = ("src", "1.1.2.2/32", "dst", "8.8.8.0/24", "dir", "out")
    tunnel = ("tmpl", "src", "1.1.2.2", "dst", "8.8.8.8", "proto", "esp", "mode", "tunnel")
    for policy in (selector, own):
        box("ip", "xfrm", "policy", "add", *policy, *tunnel)
    try:
        name = "the IPsec policy from 192.168.40.0/24 to 8.8.8.0/24 is not applied"
        is_found(gateway, name, "major")
        assert len([warning for warning in said(gateway) if "IPsec" in warning]) == 1
        gateway.commit(
            "set rules 5 source 192.168.0.0/16",
            "set rules 5 destination 8.8.8.0/24",
            "set rules 5 action exempt",
        )
        is_gone(gateway, name)
    finally:
        box("ip", "xfrm", "policy", "flush")
        gateway.reset()
