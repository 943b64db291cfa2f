# SPDX-License-Identifier: Apache-2.0
"""Limits per subscriber: sessions, half-open flows and rates."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from snatsh.datapath.flows import now_ticks
from tests.kernel.frames import from_inside, reply_to, tcp, udp
from tests.kernel.rig import Rig

ONE = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}


def limited(**subscriber: int) -> dict[str, Any]:
    return {**ONE, "limits": {"subscriber": subscriber}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(ONE)
    gateway.end_flows()
    gateway.datapath.clear_counters()


def within_a_second(act: Callable[[], list[str]]) -> list[str]:
    """What `act` gives when all of it falls into one second of the datapath's clock."""
    for _ in range(10):
        while not 2 <= now_ticks() % 60 <= 8:  # the kernel's coarse clock lags by a few milliseconds
            time.sleep(0.005)
        second = now_ticks() // 60
        outcome = act()
        if now_ticks() // 60 == second:
            return outcome
    pytest.fail("never done within a second")


@pytest.mark.serial
def test_new_flow_rate_is_limited_per_subscriber(gateway: Rig) -> None:
    gateway.commit(limited(**{"new-flows": 5}))
    numbers = itertools.count(3000)
    verdicts = within_a_second(
        lambda: [gateway.outbound(from_inside(udp(next(numbers), 53))).verdict for _ in range(9)]
    )
    assert verdicts == ["translated"] * 5 + ["dropped"] * 4
    assert gateway.drops() == {"subscriber-rate": 4}
    assert gateway.outbound(from_inside(udp(3000, 53))).verdict == "translated", "its flow is there"
    assert gateway.outbound(from_inside(udp(3000, 53), "192.168.40.10")).verdict == "translated", (
        "another host"
    )
    time.sleep(1.05)
    assert gateway.outbound(from_inside(udp(4000, 53))).verdict == "translated"


def test_half_open_flows_are_limited_per_subscriber(gateway: Rig) -> None:
    gateway.commit(limited(**{"half-open": 3}))
    sent = [gateway.outbound(from_inside(tcp(3000 + n, 80, "S"))) for n in range(4)]
    assert [one.verdict for one in sent] == ["translated"] * 3 + ["dropped"]
    assert gateway.drops() == {"half-open": 1}
    gateway.inbound(reply_to(sent[0].frame), "eth1")
    assert gateway.subscriber() == {"sessions": 3, "half_open": 2, "evicted": 0}
    assert gateway.outbound(from_inside(tcp(3003, 80, "S"))).verdict == "translated"


def test_gauges_return_to_zero(gateway: Rig) -> None:
    sent = [gateway.outbound(from_inside(tcp(3000 + n, 80, "S"))).frame for n in range(6)]
    for frame in sent[:3]:
        gateway.inbound(reply_to(frame), "eth1")
    assert gateway.subscriber() == {"sessions": 6, "half_open": 3, "evicted": 0}
    gateway.end_flows()
    assert gateway.subscriber() == {"sessions": 0, "half_open": 0, "evicted": 0}


def test_syn_on_a_closed_flow_is_half_open(gateway: Rig) -> None:
    sent = gateway.outbound(from_inside(tcp(3000, 80, "S"))).frame
    gateway.inbound(reply_to(sent), "eth1")
    gateway.outbound(from_inside(tcp(3000, 80, "FA")))
    gateway.inbound(reply_to(sent, "FA"), "eth1")
    assert gateway.subscriber()["half_open"] == 0
    gateway.outbound(from_inside(tcp(3000, 80, "S")))
    assert gateway.subscriber()["half_open"] == 1
