# SPDX-License-Identifier: Apache-2.0
"""Port shadowing: with an address of the gateway in a pool, ports of its sockets are never assigned."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from scapy.layers.inet import IP

from tests.kernel.frames import from_inside, tcp, udp
from tests.kernel.rig import ADDRESSES, Rig

OUTSIDE = str(ADDRESSES["eth1"].ip)
KINDS = {"tcp": (socket.SOCK_STREAM, tcp), "udp": (socket.SOCK_DGRAM, udp)}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit({"pools": {"a": {"address": [OUTSIDE]}}, "rules": {"10": {"pool": "a"}}})
    gateway.forget()


@pytest.fixture(params=["its own address", "any address"])
def bound_to(request: pytest.FixtureRequest) -> str:
    return OUTSIDE if request.param == "its own address" else "0.0.0.0"


@pytest.fixture(params=["tcp", "udp"])
def listener(gateway: Rig, bound_to: str, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Protocol and port of a socket of the box."""
    with socket.socket(socket.AF_INET, KINDS[request.param][0]) as own:
        own.bind((bound_to, 0))
        if request.param == "tcp":
            own.listen()
        yield request.param, own.getsockname()[1]


def opened(gateway: Rig, l4: Any) -> int:
    """The port outside of a flow to be."""
    sent = gateway.outbound(from_inside(l4))
    assert sent.verdict == "translated"
    assert sent.frame[IP].src == OUTSIDE
    return int(sent.frame[IP].payload.sport)


def test_ports_of_local_sockets_are_not_allocated(gateway: Rig, listener: tuple[str, int]) -> None:
    protocol, port = listener
    segment = tcp(port, 80, "S") if protocol == "tcp" else udp(port, 53)
    assert opened(gateway, segment) != port
    free = port - 1 if port > 1024 else port + 1
    segment = tcp(free, 80, "S") if protocol == "tcp" else udp(free, 53)
    assert opened(gateway, segment) == free, "its neighbour keeps its port"


def test_port_is_preserved_without_a_local_socket(gateway: Rig) -> None:
    assert opened(gateway, udp(40_123, 53)) == 40_123
