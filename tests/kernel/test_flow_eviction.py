# SPDX-License-Identifier: Apache-2.0
"""Eviction when the flow table is full."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.frames import from_inside, reply_to, tcp
from tests.kernel.rig import Rig, rig

ONE = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}
CAPACITY = 200


@pytest.fixture(scope="module", params=["xdp", "tc"])
def small(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with rig(request.param, max_flows=CAPACITY) as opened:
        yield opened


def test_full_table_evicts_unreplied_flows_but_no_established_ones(small: Rig) -> None:
    """A full table: RFC 6888 forbids the eviction of flows in use, not of unreplied ones."""
    small.commit(ONE)
    established = []
    for number in range(20):
        sent = small.outbound(from_inside(tcp(2000 + number, 80, "S"), "192.168.40.10")).frame
        small.inbound(reply_to(sent), "eth1")
        small.outbound(from_inside(tcp(2000 + number, 80, "A"), "192.168.40.10"))
        established.append(sent)
    for number in range(3 * CAPACITY):
        small.outbound(from_inside(tcp(10_000 + number, 80, "S")))
    assert small.drops().get("table-full", 0) < CAPACITY // 4, "most of the flood evicts its own flows"
    late = small.outbound(from_inside(tcp(5000, 443, "S"), "192.168.40.10"))
    assert late.verdict == "translated", "others still open flows"
    for frame in established:
        assert small.inbound(reply_to(frame, "A"), "eth1").verdict == "translated"
    assert small.subscriber("192.168.40.9")["evicted"] > CAPACITY
    assert small.subscriber("192.168.40.10")["evicted"] <= 1


def test_table_full_of_established_flows_refuses_new_ones(small: Rig) -> None:
    small.commit(ONE)
    small.end_flows()
    small.datapath.clear_counters()
    for number in range(CAPACITY):
        sent = small.outbound(from_inside(tcp(2000 + number, 80, "S")))
        small.inbound(reply_to(sent.frame), "eth1")
    assert len(small.datapath.flows()) == CAPACITY
    assert small.outbound(from_inside(tcp(9000, 80, "S"))).verdict == "dropped"
    assert small.drops() == {"table-full": 1}
    assert len(small.datapath.flows()) == CAPACITY
