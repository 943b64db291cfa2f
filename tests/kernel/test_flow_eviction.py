# SPDX-License-Identifier: Apache-2.0
"""Eviction when the flow table is full."""

from __future__ import annotations

from tests.kernel.conftest import SMALL
from tests.kernel.frames import from_inside, reply_to, tcp
from tests.kernel.rig import Rig

ONE = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}
CAPACITY = SMALL


def test_full_table_evicts_unreplied_flows_but_no_established_ones(small_rig: Rig) -> None:
    """A full table: RFC 6888 forbids the eviction of flows in use, not of unreplied ones."""
    small_rig.commit(ONE)
    established = []
    for number in range(20):
        sent = small_rig.outbound(from_inside(tcp(2000 + number, 80, "S"), "192.168.40.10")).frame
        small_rig.inbound(reply_to(sent), "eth1")
        small_rig.outbound(from_inside(tcp(2000 + number, 80, "A"), "192.168.40.10"))
        established.append(sent)
    for number in range(3 * CAPACITY):
        small_rig.outbound(from_inside(tcp(10_000 + number, 80, "S")))
    assert small_rig.drops().get("table-full", 0) < CAPACITY // 4, "most of the flood evicts its own flows"
    late = small_rig.outbound(from_inside(tcp(5000, 443, "S"), "192.168.40.10"))
    assert late.verdict == "translated", "others still open flows"
    for frame in established:
        assert small_rig.inbound(reply_to(frame, "A"), "eth1").verdict == "translated"
    assert small_rig.subscriber("192.168.40.9")["evicted"] > CAPACITY
    assert small_rig.subscriber("192.168.40.10")["evicted"] <= 1


def test_table_full_of_established_flows_refuses_new_ones(small_rig: Rig) -> None:
    small_rig.commit(ONE)
    small_rig.end_flows()
    small_rig.datapath.clear_counters()
    for number in range(CAPACITY):
        sent = small_rig.outbound(from_inside(tcp(2000 + number, 80, "S")))
        small_rig.inbound(reply_to(sent.frame), "eth1")
    assert len(small_rig.datapath.flows()) == CAPACITY
    assert small_rig.outbound(from_inside(tcp(9000, 80, "S"))).verdict == "dropped"
    assert small_rig.drops() == {"table-full": 1}
    assert len(small_rig.datapath.flows()) == CAPACITY
