# SPDX-License-Identifier: Apache-2.0
"""Endpoint-independent mapping and filtering (RFC 4787, REQ-1 and REQ-8)."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP

from tests.kernel.frames import echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import Rig, checksums_right

ONE = {"a": {"address": ["1.1.2.100"]}}


def rules(filtering: str = "address-and-port-dependent", **rule: Any) -> dict[str, Any]:
    own = {"pool": "a", "mapping": "endpoint-independent", "filtering": filtering, **rule}
    return {"pools": ONE, "rules": {"10": own}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(rules())
    gateway.forget()


def inbound(gateway: Rig, frame: Any) -> Any:
    """As it goes for the first packet of a flow: XDP hands it to the TC half."""
    sent = gateway.inbound(frame, "eth1")
    return gateway.tc("tc_outside_in", "eth1", frame) if sent.verdict == "passed" else sent


@pytest.mark.parametrize("port", [5000, 70])
def test_one_mapping_serves_all_destinations(gateway: Rig, port: int) -> None:
    """REQ-1: the same mapped address and port, whether the source port could be kept or not."""
    seen = set()
    for destination in ("8.8.8.8", "8.8.4.4", "203.0.113.9"):
        for dport in (53, 3478, 3479):
            sent = gateway.outbound(from_inside(udp(port, dport), destination=destination)).frame
            seen.add((sent[IP].src, sent[UDP].sport))
            assert checksums_right(sent)
            assert inbound(gateway, reply_to(sent)).frame[IP].dst == "192.168.40.9"
    assert len(seen) == 1
    assert len(gateway.datapath.flows()) == 9


def test_endpoints_never_share_an_external_port(gateway: Rig) -> None:
    first = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9", "8.8.8.8")).frame
    second = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.10", "8.8.4.4")).frame
    assert first[UDP].sport == 5000
    assert second[UDP].sport != 5000, "not even towards another destination"


def test_protocols_have_mappings_of_their_own(gateway: Rig) -> None:
    """RFC 7857, sections 5 and 6: one external port, and strangers reach the right host."""
    gateway.commit(rules("endpoint-independent"))
    first = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9")).frame
    second = gateway.outbound(from_inside(tcp(5000, 80, "S"), "192.168.40.10")).frame
    assert first[UDP].sport == second[TCP].sport == 5000
    for l4, host in ((udp(7777, 5000), "192.168.40.9"), (tcp(7777, 5000, "S"), "192.168.40.10")):
        assert inbound(gateway, from_outside(l4, "1.1.2.100", "9.9.9.9")).frame[IP].dst == host


def test_address_and_port_dependent_filtering(gateway: Rig) -> None:
    gateway.outbound(from_inside(udp(5000, 53)))
    assert inbound(gateway, from_outside(udp(53, 5000), "1.1.2.100", "8.8.4.4")).verdict == "dropped"
    assert inbound(gateway, from_outside(udp(54, 5000), "1.1.2.100", "8.8.8.8")).verdict == "dropped"


def test_endpoint_independent_filtering_admits_any_source(gateway: Rig) -> None:
    """REQ-8: what the mapping's owner never wrote to may write to it."""
    gateway.commit(rules("endpoint-independent"))
    gateway.outbound(from_inside(udp(5000, 3478)))
    came = inbound(gateway, from_outside(udp(7777, 5000), "1.1.2.100", "9.9.9.9"))
    assert came.verdict == "translated"
    assert (came.frame[IP].dst, came.frame[UDP].dport) == ("192.168.40.9", 5000)
    assert checksums_right(came.frame)
    back = gateway.outbound(from_inside(udp(5000, 7777), destination="9.9.9.9")).frame
    assert (back[IP].src, back[UDP].sport) == ("1.1.2.100", 5000)
    assert len(gateway.datapath.flows()) == 2
    assert inbound(gateway, from_outside(udp(7777, 5001), "1.1.2.100", "9.9.9.9")).verdict == "dropped"


def test_only_a_syn_opens_a_tcp_flow_from_outside(gateway: Rig) -> None:
    gateway.commit(rules("endpoint-independent"))
    gateway.outbound(from_inside(tcp(5000, 80, "S")))
    assert inbound(gateway, from_outside(tcp(81, 5000, "A"), "1.1.2.100", "9.9.9.9")).verdict == "dropped"
    assert inbound(gateway, from_outside(tcp(81, 5000, "S"), "1.1.2.100", "9.9.9.9")).verdict == "translated"


def test_icmp_echo_identifiers_are_mapped_like_ports(gateway: Rig) -> None:
    """RFC 5508, REQ-1."""
    sent = [gateway.outbound(from_inside(echo(77), destination=d)).frame for d in ("8.8.8.8", "8.8.4.4")]
    assert sent[0][ICMP].id == sent[1][ICMP].id


def test_pool_serves_one_endpoint_per_port(gateway: Rig) -> None:
    gateway.commit({**rules(), "pools": {"a": {"address": ["1.1.2.100-1.1.2.101"], "ports": "2000-2199"}}})
    seen = set()
    for number in range(440):
        sent = gateway.outbound(from_inside(udp(1024 + number, 53), f"192.168.40.{10 + number % 200}"))
        if sent.verdict == "translated":
            seen.add((sent.frame[IP].src, sent.frame[UDP].sport))
    assert len(seen) == len(gateway.datapath.flows()), "each has its own"
    assert len(seen) >= 396, "99 % of addresses x ports"


def test_mapping_lives_as_long_as_any_of_its_flows(gateway: Rig) -> None:
    gateway.commit({**rules(), "timeouts": {"udp": {"unreplied": 5, "replied": 60}}})
    first = gateway.outbound(from_inside(udp(70, 53))).frame
    inbound(gateway, reply_to(first))
    other = gateway.outbound(from_inside(udp(71, 53))).frame
    left = {int(row["source_port"]): int(row["expires"]) for row in gateway.datapath.flows()}
    assert 30 < left[70] <= 61 and 0 < left[71] <= 6
    gateway.expire(but=70)
    assert gateway.datapath.age() == 1
    again = gateway.outbound(from_inside(udp(70, 53), destination="8.8.4.4")).frame
    assert again[UDP].sport == first[UDP].sport
    keys, _ = gateway.entries("eim_mappings")
    assert set(keys["mapped_port"]) == {first[UDP].sport}, f"{other[UDP].sport} is free again"


def hairpin(gateway: Rig, frame: Any) -> Any:
    """From an inside host to a pool address: turned back, and in again as if from outside."""
    sent = gateway.outbound(frame)
    if sent.verdict == "passed":
        sent = gateway.tc("tc_inside", "eth0", frame, came_in="eth0")
    assert sent.verdict == "translated"
    assert checksums_right(sent.frame)
    return inbound(gateway, sent.frame)


def test_hairpinned_packets_have_the_external_source(gateway: Rig) -> None:
    """RFC 4787, REQ-9: two inside hosts reach each other by their mapped addresses."""
    gateway.commit(rules("endpoint-independent"))
    gateway.outbound(from_inside(udp(5000, 3478), "192.168.40.9"))
    asked = hairpin(gateway, from_inside(udp(6000, 5000), "192.168.40.10", "1.1.2.100"))
    assert (asked.verdict, asked.frame[IP].dst, asked.frame[UDP].dport) == (
        "translated",
        "192.168.40.9",
        5000,
    )
    assert (asked.frame[IP].src, asked.frame[UDP].sport) == ("1.1.2.100", 6000)
    answer = hairpin(gateway, from_inside(udp(5000, 6000), "192.168.40.9", "1.1.2.100"))
    assert (answer.frame[IP].src, answer.frame[UDP].sport) == ("1.1.2.100", 5000)
    assert (answer.frame[IP].dst, answer.frame[UDP].dport) == ("192.168.40.10", 6000)


def test_hairpinned_packets_to_an_unused_port_are_dropped(gateway: Rig) -> None:
    came = hairpin(gateway, from_inside(udp(6000, 5001), "192.168.40.10", "1.1.2.100"))
    assert came.verdict == "dropped"
    assert gateway.drops() == {"no-flow": 1}
