# SPDX-License-Identifier: Apache-2.0
"""snatd killed and left dead under thousands of new flows a second: none is refused, and gauges are right."""

from __future__ import annotations

import time

import pytest

from snatsh.lab.gateway import Snatd
from tests.bench.generator import Frames
from tests.chaos.load import NewFlows, Pinned, Probes, gateway
from tests.waiting import wait

pytestmark = pytest.mark.timeout(3600)

PAUSE = 0.2
HOOKS = pytest.mark.parametrize("hook", ["xdp", "tc"])


def connect_for(seconds: float, probes: Probes, pinned: Pinned) -> int:
    """Make connections for so long. Return the most expired flows that were seen in the table."""
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        probes.connect()
        most = max(most, pinned.expired())
        time.sleep(PAUSE)
    return most


def assert_none_refused(snatd: Snatd, pinned: Pinned, probes: Probes, sent: int) -> None:
    print(f"{sent} flows, {probes.made} connections, drops {pinned.drops()}, gauges {pinned.gauges()}")
    assert pinned.drops() == {}
    assert probes.failed == 0 < probes.made
    flows, ports, sessions = pinned.gauges()
    assert flows == ports == sessions > 0
    snatd.start()
    snatd.client.end_flows()
    wait(lambda: pinned.gauges() == (0, 0, 0), "empty gauges")


@HOOKS
def test_expired_flows_take_a_quarter_of_the_table_at_most(hook: str, frames: Frames, seconds: float) -> None:
    """Replied flows, which are not evicted. Without reclaiming, the table is full at half the time."""
    rate, timeout = 3000, int(seconds / 3)
    room = int(rate * seconds * 0.485)
    limits = {"flows": room, "subscriber": {"half-open": 100_000}}
    with gateway(hook, frames, limits, {"udp": {"unreplied": timeout, "replied": timeout}}) as snatd:
        frames.attach_reflector(snatd.lab["server"], "eth0")
        pinned, probes = Pinned(snatd.pins), Probes(snatd.lab)
        snatd.kill()
        with NewFlows(snatd.lab, frames, rate, clients=256) as flows:
            expired = connect_for(seconds, probes, pinned)
        assert expired < 0.3 * room
        assert_none_refused(snatd, pinned, probes, flows.sent)


@HOOKS
def test_scan_by_one_host_goes_on(hook: str, frames: Frames, seconds: float) -> None:
    """1,000 unanswered flows a second: without reclaiming, all are refused once 20,000 were opened."""
    with gateway(hook, frames, {}, {"udp": {"unreplied": 10}}) as snatd:
        pinned, probes = Pinned(snatd.pins), Probes(snatd.lab)
        snatd.kill()
        with NewFlows(snatd.lab, frames, rate=1000, clients=1) as flows:
            connect_for(max(30, seconds / 2), probes, pinned)
        assert_none_refused(snatd, pinned, probes, flows.sent)


@HOOKS
def test_subscribers_below_their_limit_go_on_while_snatd_restarts(
    hook: str, frames: Frames, seconds: float
) -> None:
    """1,000 flows of each at any time, 1,500 allowed."""
    limits = {"subscriber": {"sessions": 1500}}
    with gateway(hook, frames, limits, {"udp": {"unreplied": 10}}) as snatd:
        pinned, probes = Pinned(snatd.pins), Probes(snatd.lab)
        with NewFlows(snatd.lab, frames, rate=3000, clients=30) as flows:
            connect_for(12, probes, pinned)
            snatd.kill()
            connect_for(min(20, seconds / 3), probes, pinned)
            snatd.start()
            connect_for(5, probes, pinned)
        snatd.kill()
        assert_none_refused(snatd, pinned, probes, flows.sent)
