# SPDX-License-Identifier: Apache-2.0
"""Only unicast packets in frames for the gateway are translated; all others are the stack's, unchanged.

The stack drops a frame for another station, and forwards none that is not addressed to it (RFC 1812, sections
5.3.4 and 5.3.5); what the gateway's own services listen to has to reach them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.kernel.frames import echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import GATEWAY_MAC, Rig, facts, rig

POOL = "1.1.2.100"
RULES = {
    "pools": {"a": {"address": [POOL]}, "own": {"interface-address": "eth1"}},
    "rules": {
        "10": {"source": "192.168.40.9/32", "pool": "a"},
        "20": {"source": "192.168.40.10/32", "out-interface": "eth1", "pool": "own"},
    },
}
HOSTS = {"pool": "192.168.40.9", "own address": "192.168.40.10"}
STATIONS = {
    "gateway": GATEWAY_MAC,
    "another": "02:00:00:00:00:07",
    "group": "01:00:5e:00:00:fb",
    "broadcast": "ff:ff:ff:ff:ff:ff",
}
DESTINATIONS = {
    "a host": "8.8.8.8",
    "local group": "224.0.0.251",
    "group": "239.1.1.1",
    "this network": "255.255.255.255",
    "inside network": "192.168.40.255",
    "outside network": "1.1.2.255",
    "the gateway": "192.168.40.1",
}
OPENERS: dict[str, Callable[[], Any]] = {
    "tcp": lambda: tcp(5000, 80, "S"),
    "udp": lambda: udp(5000, 53),
    "icmp": lambda: echo(77),
}


AT_INGRESS = pytest.mark.parametrize("loaded", ["xdp", "tc"], indirect=True)
"""The stack has judged and routed what gets to the egress."""


@pytest.fixture(scope="module")
def committed(gateway: Rig) -> Rig:
    gateway.commit(RULES)
    return gateway


@pytest.fixture
def ready(committed: Rig) -> Rig:
    committed.forget()
    return committed


def _addressed(frame: Any, station: str) -> Any:
    changed = frame.copy()
    changed.dst = STATIONS[station]
    return changed


@AT_INGRESS
@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_what_opens_a_flow(ready: Rig, destination: str, station: str, protocol: str) -> None:
    frame = from_inside(OPENERS[protocol](), destination=DESTINATIONS[destination])
    sent = ready.outbound(_addressed(frame, station))
    is_forwarded = destination == "a host" and station == "gateway"
    assert sent.verdict == ("translated" if is_forwarded else "passed")
    assert len(ready.datapath.flows()) == is_forwarded


@AT_INGRESS
@pytest.mark.parametrize("source", HOSTS)
@pytest.mark.parametrize("protocol", OPENERS)
@pytest.mark.parametrize("station", STATIONS)
def test_frames_of_a_flow(ready: Rig, station: str, protocol: str, source: str) -> None:
    opening = from_inside(OPENERS[protocol](), HOSTS[source])
    translated = ready.outbound(opening)
    reply = reply_to(translated.frame)
    assert ready.inbound(reply, "eth1").verdict == "translated"
    expected = "translated" if station == "gateway" else "passed"
    for _ in range(2):  # with and without the state of the flow to be refreshed
        assert ready.outbound(_addressed(opening, station)).verdict == expected
        assert ready.inbound(_addressed(reply, station), "eth1").verdict == expected
    (flow,) = ready.datapath.flows()
    assert int(flow["packets_out"]) == (3 if station == "gateway" else 1)


@AT_INGRESS
@pytest.mark.parametrize("station", [name for name in STATIONS if name != "gateway"])
@pytest.mark.parametrize("destination", [POOL, "1.1.2.2", "224.0.0.18", "255.255.255.255", "192.168.40.9"])
def test_strangers_to_other_stations(ready: Rig, destination: str, station: str) -> None:
    frame = _addressed(from_outside(udp(53, 5000), destination), station)
    assert ready.inbound(frame, "eth1").verdict == "passed"
    assert not ready.drops()


@AT_INGRESS
def test_groups_with_a_route_to_the_inside_reach_the_gateway(ready: Rig) -> None:
    """A route for 224.0.0.0/4 says by which interface the gateway joins groups, not where packets go."""
    group = ("route", "{}", "224.0.0.0/4", "dev", "eth0")
    subprocess.run(["ip", *(word.format("add") for word in group)], check=True)
    try:
        frame = _addressed(from_outside(udp(5353, 5353), "224.0.0.251"), "group")
        assert ready.inbound(frame, "eth1").verdict == "passed"
        own = from_outside(udp(5353, 5353), "224.0.0.251")
        assert ready.inbound(own, "eth1").verdict == "passed"
    finally:
        subprocess.run(["ip", *(word.format("del") for word in group)], check=True)


def test_a_changed_address_of_an_interface_is_followed_by_the_stack() -> None:
    """Between the change and the next look of snatd, XDP leaves frames to TC, which asks the kernel."""
    new = "02:00:00:00:00:99"
    with rig("xdp") as gateway:
        gateway.commit(RULES)
        subprocess.run(["ip", "link", "set", "eth0", "address", new], check=True)
        frame = from_inside(udp(5000, 53))
        frame.dst = new
        assert gateway.outbound(frame).verdict == "passed"
        assert gateway.tc("tc_inside", "eth0", frame, came_in="eth0").verdict == "passed"
        assert gateway.tc("tc_outside_out", "eth1", frame, came_in="eth0").verdict == "translated"
        gateway.facts = facts()
        gateway.datapath.admit(gateway.compiled(RULES))
        frame = from_inside(udp(5001, 53))
        frame.dst = new
        assert gateway.outbound(frame).verdict == "translated"
