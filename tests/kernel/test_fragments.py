# SPDX-License-Identifier: Apache-2.0
"""Fragments (RFC 4787, REQ-14): translated if the first arrives first, else dropped and counted."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, UDP, defragment, fragment
from scapy.layers.l2 import Ether

from tests.kernel.frames import from_inside, from_outside, udp
from tests.kernel.rig import Rig, checksums_right

RULES = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(RULES)
    gateway.end_flows()
    gateway.datapath.clear_counters()


def parts(frame: Any) -> list[Any]:
    """The frame in fragments of 1,000 bytes, as a host sends them."""
    whole = Ether(src=frame.src, dst=frame.dst)
    return [Ether(bytes(whole / part)) for part in fragment(frame[IP], fragsize=1000)]


def at_egress(gateway: Rig, frame: Any) -> Any:
    return gateway.tc("tc_outside_out", "eth1", frame, came_in="eth0")


def reassembled(sent: list[Any]) -> Any:
    received = sorted((IP(bytes(each.frame[IP])) for each in sent), key=lambda part: part.frag)
    (whole,) = defragment(received)
    whole = IP(bytes(whole))
    return Ether(bytes(Ether() / whole))


def big(identification: int) -> Any:
    return from_inside(udp(5000, 53, bytes(range(250)) * 11), id=identification)


def test_fragments_in_order_reassemble_to_the_packet(gateway: Rig) -> None:
    pieces = parts(big(77))
    assert len(pieces) == 3
    if gateway.hook == "xdp":
        assert {gateway.xdp("xdp_inside", "eth0", piece).verdict for piece in pieces} == {"passed"}
    whole = reassembled([at_egress(gateway, piece) for piece in pieces])
    assert (whole[IP].src, whole[UDP].sport) == ("1.1.2.100", 5000)
    assert checksums_right(whole)
    assert whole[UDP].payload.load == bytes(range(250)) * 11


def test_later_fragments_are_accepted_in_any_order_and_twice(gateway: Rig) -> None:
    first, second, third = parts(big(78))
    whole = reassembled([at_egress(gateway, piece) for piece in (first, third, second)])
    assert checksums_right(whole)
    assert at_egress(gateway, second).frame[IP].src == "1.1.2.100"


def test_fragments_before_the_first_are_dropped(gateway: Rig) -> None:
    first, second, _ = parts(big(79))
    assert at_egress(gateway, second).verdict == "dropped"
    assert gateway.datapath.drops()["fragment"].packets == 1
    assert at_egress(gateway, first).verdict == "translated"
    assert at_egress(gateway, second).verdict == "translated"


def test_fragments_of_different_packets_are_kept_apart(gateway: Rig) -> None:
    at_egress(gateway, parts(big(80))[0])
    assert at_egress(gateway, parts(big(81))[1]).verdict == "dropped"


def test_fragmented_replies_reach_the_subscriber(gateway: Rig) -> None:
    at_egress(gateway, from_inside(udp(5000, 53)))
    answer = from_outside(udp(53, 5000, bytes(range(250)) * 11), "1.1.2.100", id=9)
    pieces = parts(answer)
    whole = reassembled([gateway.tc("tc_outside_in", "eth1", piece) for piece in pieces])
    assert (whole[IP].dst, whole[UDP].dport) == ("192.168.40.9", 5000)
    assert checksums_right(whole)


def test_reply_fragments_without_a_flow_are_dropped(gateway: Rig) -> None:
    pieces = parts(from_outside(udp(53, 5000, b"x" * 2000), "1.1.2.100", id=10))
    assert {gateway.tc("tc_outside_in", "eth1", piece).verdict for piece in pieces} == {"dropped"}
    counts = gateway.datapath.drops()
    assert (counts["no-flow"].packets, counts["fragment"].packets) == (1, 2)
