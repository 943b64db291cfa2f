# SPDX-License-Identifier: Apache-2.0
"""Without snatd, the datapath reclaims what has expired: records, sessions, half-open flows, mappings."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, UDP

from tests.kernel.conftest import SMALL
from tests.kernel.frames import from_inside, from_outside, reply_to, udp
from tests.kernel.rig import Rig

CAPACITY = SMALL
HOST, OTHER = "192.168.40.9", "192.168.40.10"
ONE: dict[str, Any] = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}
INDEPENDENT = {"mapping": "endpoint-independent", "filtering": "endpoint-independent"}


@pytest.fixture
def small(small_rig: Rig) -> Rig:
    small_rig.commit(ONE)
    small_rig.forget()
    small_rig.datapath.watch_paths(0)
    return small_rig


def open_flow(gateway: Rig, port: int, host: str = HOST) -> str:
    return gateway.outbound(from_inside(udp(port, 53), host)).verdict


def open_flows(gateway: Rig, first: int, count: int, host: str = HOST, *, replied: bool = False) -> list[str]:
    """The verdicts of so many new flows."""
    verdicts = []
    for port in range(first, first + count):
        sent = gateway.outbound(from_inside(udp(port, 53), host))
        verdicts.append(sent.verdict)
        if replied and sent.verdict == "translated":
            gateway.inbound(reply_to(sent.frame), "eth1")
    return verdicts


def sessions(gateway: Rig, host: str = HOST) -> tuple[int, int]:
    counts = gateway.subscriber(host)
    return counts["sessions"], counts["half_open"]


def used_ports(gateway: Rig) -> int:
    return int(gateway.datapath.address_usage()["udp"].sum())


@pytest.mark.parametrize("watched", [0, 3600], ids=["alone", "snatd reports"])
def test_a_table_of_expired_flows_takes_new_ones_at_once(small: Rig, watched: int) -> None:
    """Flows that were replied to, which no eviction ends. snatd may live and be late."""
    small.datapath.watch_paths(watched)
    assert set(open_flows(small, 2000, CAPACITY, replied=True)) == {"translated"}
    assert open_flow(small, 9000, OTHER) == "dropped", "full of flows in use"
    small.datapath.clear_counters()
    small.expire()
    assert set(open_flows(small, 9000, CAPACITY, OTHER, replied=True)) == {"translated"}
    assert small.drops() == {}
    assert sessions(small) == (0, 0)
    assert sessions(small, OTHER) == (CAPACITY, 0)
    assert used_ports(small) == CAPACITY == len(small.datapath.flow_table)


def test_flows_that_expire_before_the_table_is_full_leave_the_gauges(small: Rig) -> None:
    open_flows(small, 2000, CAPACITY // 2)
    small.expire()
    open_flows(small, 9000, CAPACITY // 4, OTHER)
    assert sessions(small) == (0, 0)
    assert used_ports(small) == CAPACITY // 4 == len(small.datapath.flow_table)


@pytest.mark.parametrize("limit", ["half-open", "sessions"])
def test_expired_flows_count_for_no_limit(small: Rig, limit: str) -> None:
    """In a table that is nearly full of others' flows, which the sweep has to pass."""
    small.commit({**ONE, "limits": {"subscriber": {limit: 40}}, "timeouts": {"udp": {"unreplied": 60}}})
    mine = open_flows(small, 2000, 41)
    assert mine == ["translated"] * 40 + ["dropped"]
    assert small.drops() == {"half-open" if limit == "half-open" else "subscriber-limit": 1}
    assert list(small.datapath.subscribers()["refused"]) == [1], "each packet counts once"
    small.expire()
    for other in range(4):
        open_flows(small, 3000, 35, f"192.168.40.{20 + other}")
    small.datapath.clear_counters()
    assert open_flows(small, 4000, 40) == ["translated"] * 40
    assert sessions(small) == (40, 40)
    assert open_flow(small, 5000) == "dropped", "the limit holds"


def test_new_flows_go_on_over_many_times_the_size_of_the_table(small: Rig) -> None:
    """As with 60 of 200 flows in use: what expires in one period is there for the next."""
    for turn in range(8):
        assert set(open_flows(small, 2000 + 100 * turn, 60, replied=True)) == {"translated"}
        small.expire()
    assert small.drops() == {}
    assert len(small.datapath.flow_table) < CAPACITY


def test_mappings_end_with_their_last_flow(small: Rig) -> None:
    """As many endpoint-independent mappings as there is room for, several times."""
    small.commit({**ONE, "rules": {"10": {"pool": "a", **INDEPENDENT}}})
    for turn in range(3):
        assert set(open_flows(small, 2000 + CAPACITY * turn, CAPACITY, replied=True)) == {"translated"}
        small.expire()
    assert set(open_flows(small, 9000, CAPACITY)) == {"translated"}
    keys, _ = small.entries("eim_mappings")
    assert len(keys) == len(small.entries("endpoints")[0]) == CAPACITY
    assert small.drops() == {}


def test_a_mapping_ends_with_the_flow_that_is_evicted(small: Rig) -> None:
    small.commit({**ONE, "rules": {"10": {"pool": "a", **INDEPENDENT}}})
    verdicts = open_flows(small, 2000, 4 * CAPACITY)
    assert verdicts.count("translated") > 2 * CAPACITY, "once those that ended meanwhile are forgotten"
    assert len(small.entries("eim_mappings")[0]) == CAPACITY


def test_a_refused_flow_leaves_no_mapping(small: Rig) -> None:
    """Nothing would end it: mappings end with their flows."""
    small.commit({**ONE, "rules": {"10": {"pool": "a", **INDEPENDENT}}})
    for port in range(CAPACITY):
        small.inbound(reply_to(small.outbound(from_inside(udp(2000, 1000 + port))).frame), "eth1")
    assert set(open_flows(small, 3000, 50)) == {"dropped"}
    assert small.drops() == {"table-full": 50}
    assert len(small.entries("eim_mappings")[0]) == len(small.entries("endpoints")[0]) == 1


def test_a_flow_from_outside_finds_room_as_well(small: Rig) -> None:
    """Of an endpoint whose subscriber has as many expired sessions as it may have."""
    small.commit(
        {**ONE, "rules": {"10": {"pool": "a", **INDEPENDENT}}, "limits": {"subscriber": {"sessions": 40}}}
    )
    open_flows(small, 2000, 39)
    small.expire()
    sent = small.outbound(from_inside(udp(5000, 53))).frame
    open_flows(small, 6000, 39)
    stranger = from_outside(udp(7000, sent[UDP].sport), "1.1.2.100", "203.0.113.9")
    assert arrives(small, stranger) is None, "the limit holds for it"
    small.expire(but=5000)
    arrived = arrives(small, stranger)
    assert arrived is not None and (arrived[IP].dst, arrived[UDP].dport) == (HOST, 5000)


@pytest.mark.parametrize("limit", ["half-open", "sessions", "new-flows"])
def test_subscribers_without_flows_take_no_room(small: Rig, limit: str) -> None:
    """Many times as many inside addresses as there is room for, one after the other."""
    small.commit({**ONE, "limits": {"subscriber": {limit: 40}}})
    for network in range(4):
        for host in range(CAPACITY):
            assert open_flow(small, 2000, f"10.{network}.0.{host}") == "translated"
        small.expire()
    assert small.drops() == {}
    assert set(open_flows(small, 2000, 8)) == {"translated"}
    small.datapath.age()
    assert len(small.entries("subscribers")[0]) == 1
    small.end_flows()
    assert len(small.entries("subscribers")[0]) == 0


def test_refused_sources_take_no_room(small: Rig) -> None:
    """Sources that never had a flow get their ICMP errors, and leave no subscriber behind."""
    small.commit({**ONE, "rules": {"10": {"source": "10.9.0.0/16", "pool": "a"}}, "limits": {"refusals": 1}})
    for host in range(CAPACITY + 10):
        assert open_flow(small, 2000, f"10.1.{host // 250}.{host % 250}") == "refused"
    assert len(small.entries("subscribers")[0]) == 0


def arrives(gateway: Rig, frame: Any) -> Any:
    """The frame as it goes inside, None when it does not: XDP hands the first of a flow to TC."""
    sent = gateway.inbound(frame, "eth1")
    if sent.verdict == "passed":
        sent = gateway.tc("tc_outside_in", "eth1", frame)
    return sent.frame if sent.verdict == "translated" else None
