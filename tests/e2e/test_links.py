"""Links that fail in every way there is, under a stream of new flows: how long, how many, and back again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from harness import Gateway, addresses, document, no_leak
from stream import Stream

VIA_A, VIA_B = "8.8.8.8", "203.0.113.9"
A, B = addresses("a"), addresses("b")
OWN = {"isp-a": "1.1.2.2", "isp-b": "1.1.3.2"}  # what probes are sent from


def wait(condition: Callable[[], Any], what: str, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def with_monitors(hook: str, **monitor: Any) -> dict[str, Any]:
    """Two providers that stand in for each other, each probed at an address that routing gives the other."""
    wanted = document(hook)
    for name, other, pool, target in (("isp-a", "isp-b", "a", VIA_B), ("isp-b", "isp-a", "b", VIA_A)):
        probes = {"icmp": {"target": [target]}, "interval": 100, "fail": 3, "rise": 3, **monitor}
        wanted["links"][name] |= {"backup": other, "pool": pool, "hold-down": 1, "monitor": probes}
    return wanted


def commit(gateway: Gateway, wanted: dict[str, Any]) -> None:
    gateway.snatd.client.replace_candidate(wanted)
    gateway.snatd.client.commit()


def row(gateway: Gateway, name: str = "isp-a") -> dict[str, Any]:
    return next(dict(one) for one in gateway.snatd.client.links() if one["name"] == name)


def wait_state(gateway: Gateway, state: str, name: str = "isp-a", seconds: float = 15.0) -> None:
    wait(lambda: row(gateway, name)["state"] == state, f"{name} {state}: {row(gateway, name)}", seconds)


def seen_from(gateway: Gateway, server: str = VIA_A) -> str:
    done = gateway.client.run("curl", "-sS", "--max-time", "2", f"http://{server}/", check=False)
    return done.stdout.strip().partition(" ")[0]


def cable_down(gateway: Gateway) -> Callable[[], object]:
    gateway.lab["isp-a"].run("ip", "link", "set", "eth0", "down")
    return lambda: gateway.lab["isp-a"].run("ip", "link", "set", "eth0", "up")


def gateway_dead(gateway: Gateway) -> Callable[[], object]:
    """The carrier stays; nobody answers, and nobody forwards."""
    provider = gateway.lab["isp-a"]
    provider.sysctl({"ipv4/ip_forward": "0"})
    provider.run("ip", "address", "del", "1.1.2.1/24", "dev", "eth0")

    def repair() -> None:
        provider.run("ip", "address", "add", "1.1.2.1/24", "dev", "eth0")
        provider.sysctl({"ipv4/ip_forward": "1"})

    return repair


def target_dead(gateway: Gateway) -> Callable[[], object]:
    """The provider is there, and nothing behind it."""
    provider = gateway.lab["isp-a"]
    provider.run("ip", "link", "set", "eth1", "down")

    def repair() -> None:
        provider.run("ip", "link", "set", "eth1", "up")
        provider.run("ip", "route", "replace", "default", "via", "198.18.1.2")

    return repair


@pytest.mark.parametrize(
    ("fail", "bound"),
    [(cable_down, 0.1), (gateway_dead, 0.5), (target_dead, 0.5)],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_new_flows_move_in_time_and_return(
    gateway: Gateway, fail: Callable[[Gateway], Callable[[], object]], bound: float, capsys: Any
) -> None:
    commit(gateway, with_monitors(gateway.hook))
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
            f"\n{gateway.hook} {fail.__name__}: {outage * 1000:.0f} ms, "
            f"{len(stream.lost())} of {len(stream.attempts)} new flows lost"
        )
    assert state["state"] == "down"
    assert state["failed_over"] == [10]
    assert "down" in shown
    assert "isp-a failed over: b via 1.1.3.1 since" in shown
    assert gateway.snatd.client.history() == history
    assert gateway.snatd.client.configuration() == written
    assert outage < bound
    assert len(stream.lost()) <= outage * 100 + 5
