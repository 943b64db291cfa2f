# SPDX-License-Identifier: Apache-2.0
"""The gateway gets its replies on an address that it shares with subscribers, and its links stay up.

Towards what the gateway contacts, an inside host holds every port that sockets of the gateway can get, and
every identifier of an echo.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from snatsh.lab.services import ECHO_PORT, HTTP_PORT
from tests.e2e.harness import VIA_A, VIA_B, Gateway, document
from tests.e2e.link_failures import commit, row, wait

OWN = "1.1.2.2"
INSIDE = "192.168.40.9"
EPHEMERAL = range(40_000, 40_200)  # of the gateway's sockets
IDENTIFIERS = range(1, 65_536)
CHECKSUM_AT = {TCP: 16, ICMP: 2}
NUMBER_AT = {TCP: 0, UDP: 0, ICMP: 4}  # source port or identifier
TRIES = 3


@pytest.fixture(scope="module", autouse=True)
def shared_address(gateway: Gateway) -> Iterator[None]:
    """What leaves by eth1 gets its address."""
    low, high = EPHEMERAL[0], EPHEMERAL[-1]
    ports = {"ipv4/ip_local_port_range": f"{low} {high}", "ipv4/ping_group_range": "0 0"}
    gateway.lab["gateway"].sysctl(ports)
    commit(gateway, on_own_address(gateway))
    yield


def on_own_address(gateway: Gateway) -> dict[str, Any]:
    wanted = document(gateway.hook, pool_a="own")
    wanted["pools"]["own"] = {"interface-address": "eth1"}
    wanted["limits"] = {"subscriber": {"half-open": 4_000_000}}
    wanted["timeouts"] = {"udp": {"unreplied": 600}}
    return wanted


def hold(gateway: Gateway, l4: Any, kind: type[TCP | UDP | ICMP], numbers: range, server: str) -> None:
    """The inside host sends a packet from each port, or with each identifier."""
    (link,) = json.loads(gateway.lab["gateway"].run("ip", "-json", "link", "show", "eth0").stdout)
    with gateway.client.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("eth0", 0))
        header = Ether(src=out.getsockname()[4], dst=link["address"]) / IP(src=INSIDE, dst=server)
        frame = bytearray(bytes(header / l4))
        start = 14 + 20
        at = start + NUMBER_AT[kind]
        for number in numbers:
            (before,) = struct.unpack_from("!H", frame, at)
            struct.pack_into("!H", frame, at, number)
            if kind is not UDP:  # whose checksum is left out
                change_checksum(frame, start + CHECKSUM_AT[kind], before, number)
            out.send(frame)


def change_checksum(frame: bytearray, at: int, before: int, after: int) -> None:
    """RFC 1624."""
    (checksum,) = struct.unpack_from("!H", frame, at)
    total = (~checksum & 0xFFFF) + (~before & 0xFFFF) + after
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", frame, at, ~(total + (total >> 16)) & 0xFFFF)


def hold_all(gateway: Gateway, kind: str, server: str) -> None:
    if kind == "tcp":
        hold(gateway, TCP(sport=1, dport=ECHO_PORT, flags="S"), TCP, EPHEMERAL, server)
    elif kind == "udp":
        hold(gateway, UDP(sport=1, dport=ECHO_PORT, chksum=0) / b"mine", UDP, EPHEMERAL, server)
    else:
        hold(gateway, ICMP(id=1, seq=1) / b"mine", ICMP, IDENTIFIERS, server)


@dataclass(frozen=True)
class Client:
    """A socket of the gateway. connected, device, bound: how it is set up before its first packet."""

    protocol: str
    kind: socket.SocketKind
    number: int = 0
    connected: bool = False
    device: bool = False
    bound: bool = False

    def open(self, server: str) -> socket.socket:
        opened = socket.socket(socket.AF_INET, self.kind, self.number)
        opened.settimeout(2)
        if self.device:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth1\0")
        if self.bound:
            opened.bind((OWN, 0))
        if self.connected:
            opened.connect((server, 0 if self.protocol == "icmp" else ECHO_PORT))
        return opened


UDP_SOCKET, TCP_SOCKET = socket.SOCK_DGRAM, socket.SOCK_STREAM
CLIENTS = {
    "udp": Client("udp", UDP_SOCKET),
    "udp connected": Client("udp", UDP_SOCKET, connected=True),
    "udp bound to the device": Client("udp", UDP_SOCKET, device=True),
    "udp bound to the address": Client("udp", UDP_SOCKET, bound=True),
    "tcp": Client("tcp", TCP_SOCKET, connected=True),
    "tcp bound to the device": Client("tcp", TCP_SOCKET, connected=True, device=True),
    "tcp bound to the address": Client("tcp", TCP_SOCKET, connected=True, bound=True),
    "icmp": Client("icmp", UDP_SOCKET, socket.IPPROTO_ICMP),
    "icmp raw": Client("icmp", socket.SOCK_RAW, socket.IPPROTO_ICMP),
}


def exchange(opened: socket.socket, client: Client, server: str) -> bool:
    """Whether what the socket sends comes back."""
    token = os.urandom(8)
    message = echo_request(token) if client.protocol == "icmp" else token
    received = b""
    try:
        if client.connected:
            opened.send(message)
        else:
            opened.sendto(message, (server, 0 if client.protocol == "icmp" else ECHO_PORT))
        deadline = time.monotonic() + 2
        while token not in received and time.monotonic() < deadline:
            received += opened.recv(2000)
    except OSError:
        return False
    return token in received


def echo_request(token: bytes) -> bytes:
    return bytes(ICMP(type=8, id=struct.unpack("!H", token[:2])[0], seq=1) / token)


@pytest.fixture(scope="module")
def held(gateway: Gateway, shared_address: None) -> Callable[[str], None]:
    """Lets the inside host hold all of a protocol, once."""
    done: set[str] = set()

    def now(protocol: str) -> None:
        if protocol not in done:
            hold_all(gateway, protocol, VIA_A)
        done.add(protocol)

    return now


@pytest.mark.parametrize("name", CLIENTS)
def test_gateway_gets_its_replies_when_a_subscriber_used_the_port_first(
    gateway: Gateway, held: Callable[[str], None], name: str
) -> None:
    client = CLIENTS[name]
    held(client.protocol)
    with gateway.lab["gateway"].entered():
        for _ in range(TRIES):
            with client.open(VIA_A) as opened:
                assert exchange(opened, client, VIA_A)
                assert exchange(opened, client, VIA_A)


@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "icmp raw"])
def test_gateway_gets_its_replies_when_a_subscriber_uses_the_port_later(gateway: Gateway, name: str) -> None:
    client, server = CLIENTS[name], "1.0.0.1"
    with gateway.lab["gateway"].entered():
        opened = client.open(server)
    with opened:
        assert exchange(opened, client, server)
        hold_all(gateway, client.protocol, server)
        for _ in range(TRIES):
            assert exchange(opened, client, server)


def test_subscribers_cannot_bring_a_link_down(gateway: Gateway) -> None:
    """Every kind of probe, before and after the subscriber has taken what probes can use.

    The link is isp-a's; the subscriber reaches the target by it, too.
    """
    wanted = on_own_address(gateway)
    wanted["rules"]["5"] = {"source": f"{INSIDE}/32", "pool": "own", "redirect": "1.1.2.1"}
    isp_a = {"interface": "eth1", "next-hop": "1.1.2.1"}
    targets = {"target": [VIA_B]}
    probes = {
        "icmp": targets,
        "tcp": {**targets, "port": ECHO_PORT},
        "http": {**targets, "path": "/bytes/10"},
    }
    monitor = {"require": "all", "interval": 100, **probes}
    for monitored in (monitor, None, monitor):
        wanted["links"] = {"isp-a": {**isp_a, **({"monitor": monitored} if monitored else {})}}
        commit(gateway, wanted)
        if monitored:
            wait(lambda: row(gateway).rtt is not None, "round trips")
            take_what_probes_use(gateway)
            assert_probes_answered(gateway)


def take_what_probes_use(gateway: Gateway) -> None:
    hold(gateway, ICMP(id=1, seq=1) / b"mine", ICMP, IDENTIFIERS, VIA_B)
    for port in (ECHO_PORT, HTTP_PORT):
        hold(gateway, TCP(sport=1, dport=port, flags="S"), TCP, EPHEMERAL, VIA_B)


def assert_probes_answered(gateway: Gateway, probes: int = 12) -> None:
    """The next probes of each kind."""
    time.sleep(probes / 10 + 0.2)
    assert row(gateway).state == "up"
    [series] = gateway.snatd.client.link_series()
    lost = {target.kind: target.results[-probes:].count(None) for target in series.targets}
    assert lost == {"icmp": 0, "tcp": 0, "http": 0}


def test_service_bound_to_an_interface_gets_its_datagrams(gateway: Gateway) -> None:
    """Which a server outside sends, after an inside host has taken the port."""
    with gateway.lab["gateway"].entered():
        service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with gateway.lab["server"].entered():
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with gateway.client.entered():
        taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with service, peer, taker:
        service.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth1\0")
        service.bind((OWN, 5060))
        peer.bind((VIA_A, 5061))
        taker.bind(("", 5060))
        for one in (service, peer):
            one.settimeout(2)
        taker.sendto(b"mine", (VIA_A, 5061))
        assert peer.recvfrom(100)[0] == b"mine"
        for number in range(TRIES):
            peer.sendto(b"%d" % number, (OWN, 5060))
            asked, source = service.recvfrom(100)
            assert (asked, source) == (b"%d" % number, (VIA_A, 5061))
            service.sendto(asked, source)
            assert peer.recvfrom(100) == (asked, (OWN, 5060))
