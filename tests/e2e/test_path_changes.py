# SPDX-License-Identifier: Apache-2.0
"""Established flows follow changes of routes, neighbors and interfaces."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from snatsh.engine.links import moved_flows
from snatsh.lab.services import ECHO_PORT
from tests.e2e.harness import Gateway, addresses, no_leak

pytestmark = pytest.mark.serial

SERVER = ("8.8.8.8", ECHO_PORT)
SECONDS = 5.0


class Flow:
    """One UDP flow of a client, asked again and again."""

    def __init__(self, gateway: Gateway) -> None:
        with gateway.client.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("", 0))
        self._socket.settimeout(0.1)
        self.port = self._socket.getsockname()[1]
        self._asked = 0

    def ask(self) -> str | None:
        """How the server sees the flow; None when no answer came."""
        self._asked += 1
        question = b"%d" % self._asked
        try:
            self._socket.sendto(question, SERVER)
            while True:
                address, port, payload = self._socket.recvfrom(100)[0].split(b" ", 2)
                if payload == question:
                    return f"{address.decode()}:{port.decode()}"
        except (TimeoutError, OSError):
            return None

    def wait(self) -> tuple[str, float]:
        """How the server sees it, and the seconds until it answered again."""
        begun = time.monotonic()
        while time.monotonic() < begun + SECONDS:
            if seen := self.ask():
                return seen, time.monotonic() - begun
        pytest.fail(f"no answer for {SECONDS:g} s")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def flow(gateway: Gateway) -> Iterator[Flow]:
    opened = Flow(gateway)
    # Until snatd ends the flow, isp-b may see its address of isp-a's pool.
    with no_leak(gateway.lab, {"isp-b": sorted(addresses("a"))}):
        yield opened
    opened.close()
    by_isp_a(gateway)


def test_next_hop_changes_its_mac_address(gateway: Gateway, flow: Flow) -> None:
    before, _ = flow.wait()
    gateway.lab["isp-a"].sysctl({"ipv4/conf/eth0/arp_notify": "1"})  # as routers do
    gateway.lab["isp-a"].run("ip", "link", "set", "eth0", "address", "02:00:00:00:aa:01")
    after, seconds = flow.wait()
    assert after == before
    assert seconds < 3, "as soon as the kernel has learnt the new address"


def by_isp_a(gateway: Gateway) -> None:
    gateway.lab["gateway"].run("ip", "route", "replace", "default", "via", "1.1.2.1")


def by_isp_b(gateway: Gateway) -> None:
    gateway.lab["gateway"].run("ip", "route", "replace", "default", "via", "1.1.3.1")


def test_flow_starts_anew_when_the_route_changes_to_another_provider(gateway: Gateway, flow: Flow) -> None:
    """With its old address it would get no replies there."""
    flow.wait()
    by_isp_b(gateway)
    until(lambda: has_address_of(flow, "b"), 3)
    assert out_interface(gateway, flow) == "eth2"


def test_silent_connection_is_reset_when_the_route_changes(gateway: Gateway, flow: Flow) -> None:
    with gateway.client.entered():
        connection = socket.create_connection(SERVER, timeout=5)
    with connection:
        assert connection.recv(100)  # the server tells the address
        by_isp_b(gateway)
        connection.sendall(b"x")  # its path is looked up again
        with pytest.raises(ConnectionResetError):
            while connection.recv(100):
                pass


def test_flow_stays_where_its_link_keeps_flows(gateway: Gateway, flow: Flow) -> None:
    """The mapping stays with the flow, and the packets go where the route says."""
    before, _ = flow.wait()
    gateway.commit("set links isp-a flows keep")
    by_isp_b(gateway)
    after, seconds = flow.wait()
    assert seconds < 1
    until(lambda: out_interface(gateway, flow) == "eth2", 1)
    time.sleep(2 * moved_flows.SECONDS)
    assert flow.wait()[0] == after == before
    by_isp_a(gateway)
    gateway.commit("delete links isp-a flows")


def test_policy_rule_changes_to_another_provider(gateway: Gateway, flow: Flow) -> None:
    flow.wait()
    box = gateway.lab["gateway"]
    box.run("ip", "route", "add", "default", "via", "1.1.3.1", "table", "7")
    time.sleep(0.3)
    box.run("ip", "rule", "add", "to", SERVER[0], "lookup", "7")
    try:
        until(lambda: has_address_of(flow, "b"), 3)
    finally:
        box.run("ip", "rule", "del", "lookup", "7")


def test_route_changes_while_snatd_is_down(gateway: Gateway, flow: Flow) -> None:
    """Without snatd, flows look after their paths themselves, once a second."""
    before, _ = flow.wait()
    gateway.snatd.kill()
    gateway.lab["gateway"].run("ip", "route", "replace", "default", "via", "1.1.3.1")

    def taken() -> bool:
        came = received(gateway, "isp-b")
        for _ in range(5):
            flow.ask()
        return received(gateway, "isp-b") - came >= 5

    try:
        until(taken, 8)
        assert flow.wait()[0] == before
    finally:
        gateway.start()


def has_address_of(flow: Flow, pool: str) -> bool:
    return (flow.ask() or "").partition(":")[0] in addresses(pool)


def out_interface(gateway: Gateway, flow: Flow) -> str:
    """By which the flow leaves, once it was asked again."""
    flow.ask()
    rows = gateway.snatd.client.flows({"port": ECHO_PORT}).flows
    return next(str(row.out_interface) for row in rows if row.source_port == flow.port)


def received(gateway: Gateway, node: str) -> int:
    """Packets that came to a node's first interface."""
    (link,) = json.loads(gateway.lab[node].run("ip", "-json", "-stats", "link", "show", "eth0").stdout)
    return int(link["stats64"]["rx"]["packets"])


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s")
        time.sleep(0.05)


def test_route_is_withdrawn_and_returns(gateway: Gateway, flow: Flow) -> None:
    before, _ = flow.wait()
    box = gateway.lab["gateway"]
    box.run("ip", "route", "del", "default")
    time.sleep(0.3)
    assert flow.ask() is None, "nothing goes where no route leads"
    box.run("ip", "route", "add", "default", "via", "1.1.2.1")
    after, seconds = flow.wait()
    assert after == before
    assert seconds < 1


def test_interface_goes_down_and_returns(gateway: Gateway, flow: Flow) -> None:
    before, _ = flow.wait()
    box = gateway.lab["gateway"]
    box.run("ip", "link", "set", "eth1", "down")
    time.sleep(0.3)
    assert flow.ask() is None
    box.run("ip", "link", "set", "eth1", "up")
    box.run("ip", "route", "replace", "default", "via", "1.1.2.1")
    after, _ = flow.wait()
    assert after == before
    assert before.split(":")[0] in addresses("a")
