# SPDX-License-Identifier: Apache-2.0
"""Flows: ports, states, expiry, limits, and the effect of a commit."""

from __future__ import annotations

import time
from ipaddress import IPv4Address
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


def test_two_hosts_with_one_source_port_get_two_ports(gateway: Rig) -> None:
    first = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9")).frame
    second = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.10")).frame
    assert first[UDP].sport == 5000, "preserved where free"
    assert second[UDP].sport != 5000
    back = gateway.inbound(reply_to(second), "eth1").frame
    assert (back[IP].dst, back[UDP].dport) == ("192.168.40.10", 5000)


def test_endpoint_dependent_mapping_shares_a_port_between_destinations(gateway: Rig) -> None:
    one = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9", "8.8.8.8")).frame
    other = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.10", "8.8.4.4")).frame
    assert one[UDP].sport == other[UDP].sport == 5000
    assert gateway.inbound(reply_to(one), "eth1").frame[IP].dst == "192.168.40.9"
    assert gateway.inbound(reply_to(other), "eth1").frame[IP].dst == "192.168.40.10"


def test_a_known_flow_keeps_its_mapping(gateway: Rig) -> None:
    sent = {gateway.outbound(from_inside(udp(70, 53))).frame[UDP].sport for _ in range(20)}
    assert len(sent) == 1
    assert sent.pop() >= 1024, "70 is outside the pool's ports"
    assert only_flow(gateway)["packets_out"] == 20


def test_a_reply_from_elsewhere_is_refused(gateway: Rig) -> None:
    frame = gateway.outbound(from_inside(udp(5000, 53))).frame
    assert gateway.inbound(from_outside(udp(53, 5000), frame[IP].src, "8.8.4.4"), "eth1").verdict == "dropped"
    assert gateway.inbound(from_outside(udp(54, 5000), frame[IP].src), "eth1").verdict == "dropped"
    assert gateway.drops() == {"no-flow": 2}


def test_tcp_handshake_and_close_go_through_the_states(gateway: Rig) -> None:
    syn = gateway.outbound(from_inside(tcp(4000, 80, "S"))).frame
    assert state(gateway) == "unreplied"
    gateway.inbound(reply_to(syn, "SA"), "eth1")
    assert state(gateway) == "unreplied", "a SYN-ACK alone does not establish (RFC 5382, REQ-5)"
    gateway.outbound(from_inside(tcp(4000, 80, "A")))
    assert state(gateway) == "established"
    assert 7430 < only_flow(gateway)["expires"] <= 7441
    gateway.outbound(from_inside(tcp(4000, 80, "FA")))
    assert state(gateway) == "transitory"
    gateway.inbound(reply_to(syn, "FA"), "eth1")
    assert state(gateway) == "time-wait"
    gateway.outbound(from_inside(tcp(4000, 80, "S")))
    assert state(gateway) == "unreplied", "a SYN on a closed flow opens it afresh"


def test_tcp_simultaneous_open_is_let_in_and_established(gateway: Rig) -> None:
    """RFC 5382, REQ-2: a SYN without ACK comes from the endpoint that was sent one."""
    syn = gateway.outbound(from_inside(tcp(4000, 80, "S"))).frame
    assert gateway.inbound(reply_to(syn, "S"), "eth1").verdict == "translated"
    assert gateway.outbound(from_inside(tcp(4000, 80, "SA"))).verdict == "translated"
    assert gateway.inbound(reply_to(syn, "SA"), "eth1").verdict == "translated"
    gateway.outbound(from_inside(tcp(4000, 80, "A")))
    assert state(gateway) == "established"
    assert len(gateway.datapath.flows()) == 1
    assert gateway.drops() == {}


def test_a_reset_shortens_to_transitory_and_not_to_nothing(gateway: Rig) -> None:
    syn = gateway.outbound(from_inside(tcp(4000, 80, "S"))).frame
    gateway.inbound(reply_to(syn, "SA"), "eth1")
    gateway.outbound(from_inside(tcp(4000, 80, "A")))
    gateway.inbound(reply_to(syn, "RA"), "eth1")
    assert state(gateway) == "transitory"
    assert 230 < only_flow(gateway)["expires"] <= 241
    assert gateway.inbound(reply_to(syn, "A"), "eth1").verdict == "translated"


def test_udp_is_established_by_an_answer(gateway: Rig) -> None:
    frame = gateway.outbound(from_inside(udp(5000, 53))).frame
    assert 29 < only_flow(gateway)["expires"] <= 31
    gateway.inbound(reply_to(frame), "eth1")
    assert state(gateway) == "established"
    assert 299 < only_flow(gateway)["expires"] <= 301


@pytest.mark.parametrize(("l4", "reason"), [(tcp(4000, 80, "R"), "no-state"), (echo(77, kind=0), "no-state")])
def test_what_may_not_open_a_flow(gateway: Rig, l4: Any, reason: str) -> None:
    assert gateway.outbound(from_inside(l4)).verdict == "dropped"
    assert gateway.drops() == {reason: 1}
    assert not len(gateway.datapath.flows())


def test_tcp_from_mid_stream_opens_a_flow_unless_the_profile_says_no(gateway: Rig) -> None:
    assert gateway.outbound(from_inside(tcp(4000, 80, "A"))).verdict == "translated"
    gateway.commit({**ONE_ADDRESS, "system": {"tcp-mid-stream": "drop"}})
    assert gateway.outbound(from_inside(tcp(4000, 80, "A"))).verdict == "translated", "a known flow goes on"
    assert gateway.outbound(from_inside(tcp(4001, 80, "A"))).verdict == "dropped"
    assert gateway.drops() == {"no-state": 1}
    assert gateway.outbound(from_inside(tcp(4001, 80, "S"))).verdict == "translated"


def test_an_expired_flow_is_free_before_the_sweep_and_gone_after(gateway: Rig) -> None:
    gateway.commit({**ONE_ADDRESS, "timeouts": {"udp": {"unreplied": 5}}})
    frame = gateway.outbound(from_inside(udp(5000, 53), "192.168.40.9")).frame
    assert frame[UDP].sport == 5000
    for port in (5001, 5002):
        gateway.outbound(from_inside(udp(port, 53), "192.168.40.9"))
    assert gateway.datapath.age() == 0, "nothing that lives is swept"
    time.sleep(5.2)
    assert gateway.inbound(reply_to(frame), "eth1").verdict == "dropped", "expired: no sweep needed"
    again = gateway.outbound(from_inside(udp(5001, 53), "192.168.40.10")).frame
    assert again[UDP].sport == 5001, "the expired flow's port is free without a sweep"
    assert gateway.datapath.age() >= 1
    (left,) = gateway.datapath.flows()
    assert str(IPv4Address(int(left["source"]))) == "192.168.40.10"
    assert gateway.datapath.address_usage()["udp"].sum() == 1
    assert gateway.datapath.flow_count() == 1


def test_a_pool_without_a_free_port_refuses_and_counts(gateway: Rig) -> None:
    gateway.commit(
        {"pools": {"a": {"address": ["1.1.2.100"], "ports": "2000-2001"}}, "rules": {"1": {"pool": "a"}}}
    )
    verdicts = [gateway.outbound(from_inside(udp(port, 53))).verdict for port in range(3000, 3040)]
    assert verdicts.count("translated") == 2
    assert gateway.drops() == {"pool-exhausted": 38}
    assert gateway.datapath.address_usage()["exhausted"].sum() >= 38


def test_the_next_address_serves_when_the_chosen_one_is_full(gateway: Rig) -> None:
    pool = {"address": ["1.1.2.100-1.1.2.101"], "ports": "2000"}
    gateway.commit({"pools": {"a": pool}, "rules": {"1": {"pool": "a", "algorithm": "source-hash"}}})
    sent = [gateway.outbound(from_inside(udp(port, 53))) for port in (3000, 3001, 3002)]
    assert [s.verdict for s in sent] == ["translated", "translated", "dropped"]
    assert {s.frame[IP].src for s in sent[:2]} == {"1.1.2.100", "1.1.2.101"}


def test_a_subscriber_holds_no_more_sessions_than_it_may(gateway: Rig) -> None:
    gateway.commit({**ONE_ADDRESS, "limits": {"subscriber": {"sessions": 3}}})
    sent = [gateway.outbound(from_inside(udp(port, 53))).verdict for port in range(3000, 3005)]
    assert sent == ["translated"] * 3 + ["dropped"] * 2
    assert gateway.drops() == {"subscriber-limit": 2}
    assert gateway.outbound(from_inside(udp(3000, 53), "192.168.40.10")).verdict == "translated"
    gateway.end_flows()
    assert gateway.outbound(from_inside(udp(3000, 53))).verdict == "translated", "ended flows give it back"


def test_a_commit_keeps_flows_but_those_whose_address_left(gateway: Rig) -> None:
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


def test_a_zero_udp_checksum_stays_zero(gateway: Rig) -> None:
    sent = gateway.outbound(from_inside(UDP(sport=5000, dport=53, chksum=0) / b"x")).frame
    assert sent[UDP].chksum == 0
    assert checksums_right(sent)


def test_a_redirect_goes_by_its_own_next_hop(gateway: Rig) -> None:
    pools = {"b": {"address": ["1.1.3.100"]}}
    gateway.commit(
        {"pools": pools, "rules": {"1": {"pool": "b", "next-hop": "1.1.2.1", "redirect": "1.1.3.1"}}}
    )
    sent = gateway.outbound(from_inside(udp(5000, 53)))
    assert sent.redirected
    assert sent.frame[IP].src == "1.1.3.100"
    if gateway.hook != "tc-egress":
        assert sent.frame.dst == "02:00:00:00:01:02", "the redirect's router"
