# SPDX-License-Identifier: Apache-2.0
"""Flows: ports, expiry, limits, and the effect of a commit. States of TCP: test_tcp_states.py."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP

from snatsh.datapath.layout import STATE_NAMES
from tests.kernel.frames import echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import Rig, checksums_right

ONE_ADDRESS = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(ONE_ADDRESS)
    gateway.end_flows()
    gateway.datapath.clear_counters()


def only_flow(gateway: Rig) -> Any:
    rows = gateway.datapath.flows()
    assert len(rows) == 1
    return rows[0]


def state(gateway: Rig) -> str:
    return STATE_NAMES[only_flow(gateway)["state"]]


def test_equal_source_ports_of_two_hosts_get_different_external_ports(gateway: Rig) -> None:
    first = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9")).frame
    second = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.10")).frame
    assert first[UDP].sport == 5000, "preserved where free"
    assert second[UDP].sport != 5000
    back = gateway.inbound(reply_to(second), "eth1").frame
    assert (back[IP].dst, back[UDP].dport) == ("192.168.40.10", 5000)


def test_endpoint_dependent_mappings_share_a_port_across_destinations(gateway: Rig) -> None:
    one = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9", "8.8.8.8")).frame
    other = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.10", "8.8.4.4")).frame
    assert one[UDP].sport == other[UDP].sport == 5000
    assert gateway.inbound(reply_to(one), "eth1").frame[IP].dst == "192.168.40.9"
    assert gateway.inbound(reply_to(other), "eth1").frame[IP].dst == "192.168.40.10"


def test_source_hash_pairs_a_subscriber_with_an_address(gateway: Rig) -> None:
    """RFC 4787, REQ-2; RFC 6888, REQ-2: whatever the protocol and the destination."""
    rule = {"pool": "a", "algorithm": "source-hash"}
    gateway.commit({"pools": {"a": {"address": ["1.1.2.100-1.1.2.115"]}}, "rules": {"10": rule}})
    seen: dict[str, set[str]] = {"192.168.40.9": set(), "192.168.40.10": set()}
    for source, addresses in seen.items():
        for destination in ("8.8.8.8", "8.8.4.4", "9.9.9.9"):
            for l4 in (udp(5000, 53), udp(5001, 54), tcp(5000, 80, "S"), echo(77)):
                addresses.add(gateway.outbound(from_inside(l4, source, destination)).frame[IP].src)
    assert [len(addresses) for addresses in seen.values()] == [1, 1]
    assert len(set.union(*seen.values())) == 2


def test_ports_are_random_where_they_are_not_preserved(gateway: Rig) -> None:
    """RFC 7857, section 9; RFC 6888, REQ-15: neither the next one nor near the source port."""
    ports = [gateway.outbound(from_inside(udp(70, 53 + n))).frame[UDP].sport for n in range(40)]
    assert len(set(ports)) > 35
    assert max(ports) - min(ports) > 20_000
    assert sum(abs(one - other) < 100 for one, other in pairwise(ports)) < 5


def test_existing_flows_keep_their_mapping(gateway: Rig) -> None:
    sent = {gateway.outbound(from_inside(udp(70, 53))).frame[UDP].sport for _ in range(20)}
    assert len(sent) == 1
    assert sent.pop() >= 1024, "70 is outside the pool's ports"
    assert only_flow(gateway)["packets_out"] == 20


def test_packets_from_another_source_are_dropped(gateway: Rig) -> None:
    frame = gateway.outbound(from_inside(udp(5000, 53))).frame
    assert gateway.inbound(from_outside(udp(53, 5000), frame[IP].src, "8.8.4.4"), "eth1").verdict == "dropped"
    assert gateway.inbound(from_outside(udp(54, 5000), frame[IP].src), "eth1").verdict == "dropped"
    assert gateway.drops() == {"no-flow": 2}


def test_udp_flow_is_established_by_a_reply(gateway: Rig) -> None:
    frame = gateway.outbound(from_inside(udp(5000, 53))).frame
    assert 119 < only_flow(gateway)["expires"] <= 121
    gateway.inbound(reply_to(frame), "eth1")
    assert state(gateway) == "established"
    assert 299 < only_flow(gateway)["expires"] <= 301


@pytest.mark.parametrize(("l4", "reason"), [(tcp(4000, 80, "R"), "no-state"), (echo(77, kind=0), "no-state")])
def test_packets_that_cannot_open_a_flow_are_dropped(gateway: Rig, l4: Any, reason: str) -> None:
    assert gateway.outbound(from_inside(l4)).verdict == "dropped"
    assert gateway.drops() == {reason: 1}
    assert not len(gateway.datapath.flows())


def test_mid_stream_tcp_opens_a_flow_unless_configured_otherwise(gateway: Rig) -> None:
    assert gateway.outbound(from_inside(tcp(4000, 80, "A"))).verdict == "translated"
    gateway.commit({**ONE_ADDRESS, "system": {"tcp-mid-stream": "drop"}})
    assert gateway.outbound(from_inside(tcp(4000, 80, "A"))).verdict == "translated", "a known flow goes on"
    assert gateway.outbound(from_inside(tcp(4001, 80, "A"))).verdict == "dropped"
    assert gateway.drops() == {"no-state": 1}
    assert gateway.outbound(from_inside(tcp(4001, 80, "S"))).verdict == "translated"


def test_expired_flows_are_reusable_before_and_removed_by_the_sweep(gateway: Rig) -> None:
    gateway.commit({**ONE_ADDRESS, "timeouts": {"udp": {"unreplied": 5}}})
    gateway.datapath.watch_paths(8)  # or the datapath would reclaim by itself
    frame = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9")).frame
    assert frame[UDP].sport == 5000
    for port in (5001, 5002):
        gateway.outbound(from_inside(udp(port, 53), "192.168.40.9"))
    assert gateway.datapath.age() == 0, "nothing that lives is swept"
    assert all(0 < left <= 6 for left in gateway.datapath.flows()["expires"])
    gateway.expire()
    assert gateway.inbound(reply_to(frame), "eth1").verdict == "dropped", "expired: no sweep needed"
    again = gateway.outbound(from_inside(udp(5001, 53), "192.168.40.10")).frame
    assert again[UDP].sport == 5001, "the expired flow's port is free without a sweep"
    assert gateway.datapath.age() >= 1
    gateway.datapath.watch_paths(0)
    (left,) = gateway.datapath.flows()
    assert str(IPv4Address(int(left["source"]))) == "192.168.40.10"
    assert gateway.datapath.address_usage()["udp"].sum() == 1
    assert gateway.datapath.flow_count() == 1


@pytest.mark.parametrize("mapping", ["endpoint-dependent", "endpoint-independent"])
def test_first_flow_after_a_commit_uses_the_pool_of_that_commit(gateway: Rig, mapping: str) -> None:
    for number, address in enumerate(("1.1.2.100", "1.1.2.101", "1.1.2.102")):
        rule = {"pool": "a", "mapping": mapping}
        gateway.commit({"pools": {"a": {"address": [address]}}, "rules": {"1": rule}})
        assert gateway.outbound(from_inside(udp(5000 + number, 53))).frame[IP].src == address
        assert gateway.datapath.rule_counters()[1].flows == number + 1, "claimed once"


def test_exhausted_pool_refuses_and_counts(gateway: Rig) -> None:
    gateway.commit(
        {"pools": {"a": {"address": ["1.1.2.100"], "ports": "2000-2001"}}, "rules": {"1": {"pool": "a"}}}
    )
    verdicts = [gateway.outbound(from_inside(udp(port, 53))).verdict for port in range(3000, 3040)]
    assert verdicts.count("translated") == 2
    assert gateway.drops() == {"pool-exhausted": 38}
    assert gateway.datapath.address_usage()["exhausted"].sum() >= 38


def test_full_pool_address_falls_back_to_the_next(gateway: Rig) -> None:
    pool = {"address": ["1.1.2.100-1.1.2.101"], "ports": "2000"}
    gateway.commit({"pools": {"a": pool}, "rules": {"1": {"pool": "a", "algorithm": "source-hash"}}})
    sent = [gateway.outbound(from_inside(udp(port, 53))) for port in (3000, 3001, 3002)]
    assert [s.verdict for s in sent] == ["translated", "translated", "dropped"]
    assert {s.frame[IP].src for s in sent[:2]} == {"1.1.2.100", "1.1.2.101"}


def test_subscriber_session_limit(gateway: Rig) -> None:
    gateway.commit({**ONE_ADDRESS, "limits": {"subscriber": {"sessions": 3}}})
    sent = [gateway.outbound(from_inside(udp(port, 53))).verdict for port in range(3000, 3005)]
    assert sent == ["translated"] * 3 + ["dropped"] * 2
    assert gateway.drops() == {"subscriber-limit": 2}
    assert gateway.outbound(from_inside(udp(3000, 53), "192.168.40.10")).verdict == "translated"
    gateway.end_flows()
    assert gateway.outbound(from_inside(udp(3000, 53))).verdict == "translated", "ended flows give it back"


def test_commit_ends_only_flows_of_removed_addresses(gateway: Rig) -> None:
    gateway.commit(
        {
            "pools": {"a": {"address": ["1.1.2.100"]}, "b": {"address": ["1.1.2.200"]}},
            "rules": {"1": {"pool": "a", "protocol": "udp"}, "2": {"pool": "b", "protocol": "tcp"}},
        }
    )
    kept = gateway.outbound(from_inside(udp(5000, 53))).frame
    lost = gateway.outbound(from_inside(tcp(5000, 80, "S"))).frame
    gateway.commit({"pools": {"z": {"address": ["1.1.2.100", "1.1.2.105"]}}, "rules": {"7": {"pool": "z"}}})
    assert gateway.outbound(from_inside(udp(5000, 53))).frame[UDP].sport == kept[UDP].sport
    assert gateway.inbound(reply_to(kept), "eth1").verdict == "translated"
    assert gateway.inbound(reply_to(lost), "eth1").verdict != "translated"
    after = gateway.outbound(from_inside(tcp(5000, 80, "S")))
    assert after.frame[IP].src in ("1.1.2.100", "1.1.2.105")
    gateway.commit(ONE_ADDRESS)
    gateway.datapath.end_withdrawn()
    assert all(str(IPv4Address(int(row["mapped"]))) == "1.1.2.100" for row in gateway.datapath.flows())


def test_zero_udp_checksum_stays_zero(gateway: Rig) -> None:
    sent = gateway.outbound(from_inside(UDP(sport=5000, dport=53, chksum=0) / b"x")).frame
    assert sent[UDP].chksum == 0
    assert checksums_right(sent)


def test_redirect_uses_its_next_hop(gateway: Rig) -> None:
    pools = {"b": {"address": ["1.1.3.100"]}}
    gateway.commit(
        {"pools": pools, "rules": {"1": {"pool": "b", "next-hop": "1.1.2.1", "redirect": "1.1.3.1"}}}
    )
    sent = gateway.outbound(from_inside(udp(5000, 53)))
    assert sent.redirected
    assert sent.frame[IP].src == "1.1.3.100"
    if gateway.hook != "tc-egress":
        assert sent.frame.dst == "02:00:00:00:01:02", "the redirect's router"
