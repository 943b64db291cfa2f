# SPDX-License-Identifier: Apache-2.0
"""Failover under a stream of new flows: outage, lost flows, and the return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from snatsh.api.links import LinkRow
from tests.e2e.flow_stream import Stream
from tests.e2e.harness import VIA_A, Gateway, no_leak
from tests.e2e.link_failures import (
    OWN,
    A,
    B,
    Repair,
    cable_down,
    commit,
    gateway_dead,
    row,
    target_dead,
    wait,
    wait_state,
    with_monitors,
)

pytestmark = pytest.mark.serial

MANY = 2000
TURNS = 3
"""At the most: a machine that is busy with something else holds up whom it likes."""


@dataclass(frozen=True, slots=True)
class Failover:
    """outage: seconds between the last new flow by the old way and the first by the new one."""

    outage: float
    lost: int
    tried: int
    state: LinkRow
    shown: str

    def __str__(self) -> str:
        return f"new flows moved after {self.outage * 1000:.0f} ms, {self.lost} of {self.tried} lost"


def fail_over(gateway: Gateway, fail: Callable[[Gateway], Repair]) -> Failover:
    with Stream(gateway.client, VIA_A) as stream:
        wait(lambda: stream.last(5) and stream.last(5) <= A, "new flows by isp-a")
        repair = fail(gateway)
        wait(lambda: len(stream.last(20)) and stream.last(20) <= B, "new flows by isp-b")
        state = row(gateway)
        shown = gateway.snatd.shell("show links").stdout + gateway.snatd.shell("show rules").stdout
        repair()
        wait_state(gateway, "up")
        wait(lambda: len(stream.last(20)) and stream.last(20) <= A, "new flows by isp-a again")
    return Failover(stream.gap(A, B), len(stream.lost()), len(stream.attempts), state, shown)


@pytest.mark.parametrize(
    ("fail", "bound"),
    [(cable_down, 0.1), (gateway_dead, 0.5), (target_dead, 0.5)],
    ids=["cable-down", "gateway-dead", "target-dead"],
)
def test_new_flows_fail_over_in_time_and_return(
    gateway: Gateway, fail: Callable[[Gateway], Repair], bound: float, capsys: Any
) -> None:
    commit(gateway, with_monitors(gateway.hook, hold_down=0, timeout=50))
    history, written = gateway.snatd.client.history(), gateway.snatd.client.configuration()
    wait_state(gateway, "up")
    wait(lambda: row(gateway).rtt is not None, "round trips")
    with no_leak(gateway.lab, OWN):
        for _ in range(TURNS):
            found = fail_over(gateway, fail)
            with capsys.disabled():
                print(f"\n{gateway.hook} {fail.__name__}: {found}")
            assert (found.state.state, found.state.failed_over) == ("down", [10])
            assert "down" in found.shown
            assert "isp-a failed over: b via 1.1.3.1 since" in found.shown
            if found.outage < bound:
                break
    assert gateway.snatd.client.history() == history
    assert gateway.snatd.client.configuration() == written
    assert found.outage < bound
    assert found.lost <= found.outage * 100 + 5


def test_failover_time_is_independent_of_the_number_of_rules(gateway: Gateway, capsys: Any) -> None:
    """Each of 2,000 rules goes another way: all of them are staged, and one flip switches them."""
    wanted = with_monitors(gateway.hook, hold_down=0, timeout=50)
    wanted["rules"] = {
        str(10 + number): {
            "source": f"10.{number // 256}.{number % 256}.0/24",
            "out-interface": "eth1",
            "pool": "a",
        }
        for number in range(MANY)
    } | {"10000": wanted["rules"]["10"]}
    commit(gateway, wanted)
    wait_state(gateway, "up")
    wait(lambda: row(gateway).rtt is not None, "round trips")
    with no_leak(gateway.lab, OWN):
        for _ in range(TURNS):
            found = fail_over(gateway, target_dead)
            with capsys.disabled():
                print(f"\n{gateway.hook} {MANY:,} rules: {found}")
            assert len(found.state.failed_over) == MANY + 1
            if found.outage < 0.5:
                break
    assert found.outage < 0.5
