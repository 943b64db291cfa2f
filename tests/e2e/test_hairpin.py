# SPDX-License-Identifier: Apache-2.0
"""Hairpinning between two subscribers (RFC 4787, REQ-9), also by the address of the gateway itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from snatsh.lab.services import ECHO_PORT
from tests.e2e.datagrams import TIMEOUT, converse, mapped, udp_socket
from tests.e2e.harness import Gateway, addresses, no_leak

OWN = "1.1.2.2"
SERVER = ("8.8.8.8", ECHO_PORT)
POOLS = {"address": addresses("a"), "interface-address": {OWN}}


@pytest.fixture(autouse=True, params=POOLS)
def external(gateway: Gateway, request: pytest.FixtureRequest) -> Iterator[set[str]]:
    """The addresses that subscribers are seen by."""
    own = ("set pools own interface-address eth1", "set rules 10 pool own")
    gateway.commit(
        *(own if request.param == "interface-address" else ("set rules 10 pool a",)),
        "set rules 10 mapping endpoint-independent",
        "set rules 10 filtering endpoint-independent",
    )
    gateway.snatd.shell("clear flows all")  # of the other pool
    with no_leak(gateway.lab, {"isp-a": [OWN]}):
        yield POOLS[request.param]


@pytest.mark.parametrize("size", [20, 4000], ids=["whole", "fragments"])
def test_hairpinned_udp_between_subscribers(gateway: Gateway, external: set[str], size: int) -> None:
    """Fragments too, and where the next hop has to be resolved first."""
    with udp_socket(gateway.client) as one, udp_socket(gateway.other_client) as other:
        address_one, address_other = mapped(one), mapped(other)
        assert {address_one[0], address_other[0]} <= external
        gateway.lab["gateway"].run("ip", "neigh", "flush", "dev", "eth0")
        converse(one, other, 20, size)


def test_errors_about_hairpinned_packets_arrive(gateway: Gateway) -> None:
    """RFC 5508, REQ-7."""
    with udp_socket(gateway.client) as one:
        with udp_socket(gateway.other_client) as other:
            address_other = mapped(other)
        one.connect(address_other)
        one.send(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            one.recv(100)


def test_ports_without_a_mapping_are_the_gateways(gateway: Gateway, external: set[str]) -> None:
    if external != {OWN}:
        return  # nothing of the gateway is there
    with gateway.lab["gateway"].entered():
        listener = socket.create_server((OWN, 8080))
    with listener, gateway.client.entered(), socket.create_connection((OWN, 8080), TIMEOUT) as peer:
        accepted, seen = listener.accept()
        with accepted:
            assert seen[0] == "192.168.40.9"
            accepted.sendall(b"hello")
            assert peer.recv(100) == b"hello"
    gateway.client.run("ping", "-c", "1", "-W", "5", "-s", "4000", OWN)


def test_hairpinned_tcp_to_an_external_endpoint(gateway: Gateway, external: set[str]) -> None:
    with gateway.other_client.entered():
        listener, outward = socket.socket(), socket.socket()
    with listener, outward:
        for one in (listener, outward):
            one.settimeout(TIMEOUT)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("192.168.40.10", 7000))
        listener.listen()
        outward.connect(SERVER)
        outward.sendall(b"x\n")
        address, port = outward.recv(100).decode().split()[:2]
        with gateway.client.entered():
            peer = socket.create_connection((address, int(port)), TIMEOUT)
        with peer:
            accepted, seen = listener.accept()
            with accepted:
                assert seen[0] in external, "the external source, not the inside one"
                peer.sendall(b"hello")
                assert accepted.recv(100) == b"hello"


def test_hairpinned_packet_without_a_mapping_is_dropped(gateway: Gateway, external: set[str]) -> None:
    if external == {OWN}:
        return  # it is for the gateway
    before = gateway.drops()["no-flow"]
    with udp_socket(gateway.client) as one:
        one.settimeout(0.5)
        one.sendto(b"anyone?", ("1.1.2.100", 50_000))
        with pytest.raises(TimeoutError):
            one.recvfrom(100)
    assert gateway.drops()["no-flow"] > before


def test_mappings_are_listed_and_cleared(gateway: Gateway) -> None:
    """A cleared mapping no longer lets a stranger in; the next packet of its host makes another one."""
    snatd = gateway.snatd
    with udp_socket(gateway.client) as one, udp_socket(gateway.other_client) as stranger:
        address, port = mapped(one)
        stranger.sendto(b"let me in", (address, port))
        assert one.recvfrom(100)[0] == b"let me in"
        (row,) = snatd.client.mappings({"mapped": address, "mapped_port": port, "protocol": "udp"}).mappings
        assert (row.source, row.source_port, row.rule) == ("192.168.40.9", one.getsockname()[1], 10)
        shown = snatd.shell(f"show mappings source 192.168.40.9 port {port}").stdout
        assert f"{address}:{port}" in shown
        cleared = snatd.shell(f"clear mappings source 192.168.40.9 port {port}").stdout
        assert cleared.strip() == "1 mapping ended"
        assert snatd.client.mappings({"mapped_port": port}).mappings == []
        stranger.sendto(b"and again", (address, port))
        one.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.recvfrom(100)
        one.settimeout(TIMEOUT)
        assert mapped(one)
