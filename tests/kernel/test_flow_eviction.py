# SPDX-License-Identifier: Apache-2.0
"""Who makes room when the table is full."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.frames import from_inside, reply_to, tcp
from tests.kernel.rig import Rig, rig

ONE = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}
CAPACITY = 200


def drops(gateway: Rig) -> dict[str, int]:
    return {reason: count.packets for reason, count in gateway.datapath.drops().items() if count.packets}


def evicted(gateway: Rig, address: str) -> int:
    keys, values = gateway.datapath._maps["subscribers"].dump()
    return int(values[keys == int.from_bytes(bytes(map(int, address.split("."))), "big")][0]["evicted"])


@pytest.fixture(scope="module", params=["xdp", "tc"])
def small(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with rig(request.param, max_flows=CAPACITY) as opened:
        yield opened


def test_under_pressure_the_unanswered_go_first_and_the_established_never(small: Rig) -> None:
    """A full table: RFC 6888 forbids to evict what is in use, not what nobody answered."""
    small.commit(ONE)
    established = []
    for number in range(20):
        sent = small.outbound(from_inside(tcp(2000 + number, 80, "S"), "192.168.40.10")).frame
        small.inbound(reply_to(sent), "eth1")
        small.outbound(from_inside(tcp(2000 + number, 80, "A"), "192.168.40.10"))
        established.append(sent)
    for number in range(3 * CAPACITY):
        small.outbound(from_inside(tcp(10_000 + number, 80, "S")))
    assert drops(small).get("table-full", 0) < CAPACITY // 4, "most of the flood finds room of its own making"
    late = small.outbound(from_inside(tcp(5000, 443, "S"), "192.168.40.10"))
    assert late.verdict == "translated", "others still open flows"
    for frame in established:
        assert small.inbound(reply_to(frame, "A"), "eth1").verdict == "translated"
    assert evicted(small, "192.168.40.9") > CAPACITY
    assert evicted(small, "192.168.40.10") <= 1


def test_a_table_of_established_flows_refuses(small: Rig) -> None:
    small.commit(ONE)
    small.end_flows()
    small.datapath.clear_counters()
    for number in range(CAPACITY):
        sent = small.outbound(from_inside(tcp(2000 + number, 80, "S")))
        small.inbound(reply_to(sent.frame), "eth1")
    assert len(small.datapath.flows()) == CAPACITY
    assert small.outbound(from_inside(tcp(9000, 80, "S"))).verdict == "dropped"
    assert drops(small) == {"table-full": 1}
    assert len(small.datapath.flows()) == CAPACITY
