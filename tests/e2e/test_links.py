"""Links that fail, under a stream of new flows: how long it takes, how many are lost, and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import Gateway, no_leak
from links import (
    OWN,
    VIA_A,
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
from stream import Stream


@pytest.mark.parametrize(
    ("fail", "bound"),
    [(cable_down, 0.1), (gateway_dead, 0.5), (target_dead, 0.5)],
    ids=["cable-down", "gateway-dead", "target-dead"],
)
def test_new_flows_move_in_time_and_return(
    gateway: Gateway, fail: Callable[[Gateway], Repair], bound: float, capsys: Any
) -> None:
    commit(gateway, with_monitors(gateway.hook, timeout=50))
    history, written = gateway.snatd.client.history(), gateway.snatd.client.configuration()
    wait_state(gateway, "up")
    wait(lambda: row(gateway)["rtt"] is not None, "round trips")
    with no_leak(gateway.lab, OWN), Stream(gateway.client, VIA_A) as stream:
        wait(lambda: stream.last(5) and stream.last(5) <= A, "new flows by isp-a")
        repair = fail(gateway)
        wait(lambda: len(stream.last(20)) and stream.last(20) <= B, "new flows by isp-b")
        state = row(gateway)
        shown = gateway.snatd.shell("show links").stdout + gateway.snatd.shell("show rules").stdout
        repair()
        wait_state(gateway, "up")
        wait(lambda: len(stream.last(20)) and stream.last(20) <= A, "new flows by isp-a again")
    outage = stream.gap(A, B)
    with capsys.disabled():
        print(
            f"\n{gateway.hook} {fail.__name__}: new flows moved after {outage * 1000:.0f} ms, "
            f"{len(stream.lost())} of {len(stream.attempts)} lost"
        )
    assert (state["state"], state["failed_over"]) == ("down", [10])
    assert "down" in shown
    assert "isp-a failed over: b via 1.1.3.1 since" in shown
    assert gateway.snatd.client.history() == history
    assert gateway.snatd.client.configuration() == written
    assert outage < bound
    assert len(stream.lost()) <= outage * 100 + 5
