# SPDX-License-Identifier: Apache-2.0
"""UDP sockets of hosts, and how the internet sees them."""

from __future__ import annotations

import socket

from snatsh.lab.namespaces import Namespace
from snatsh.lab.services import ECHO_PORT

TIMEOUT = 5.0


def udp_socket(host: Namespace) -> socket.socket:
    with host.entered():
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.settimeout(TIMEOUT)
    return opened


def mapped(host: socket.socket, server: str = "8.8.8.8") -> tuple[str, int]:
    """What a STUN server would tell."""
    host.sendto(b"who am I", (server, ECHO_PORT))
    address, port, _ = host.recvfrom(100)[0].decode().split(" ", 2)
    return address, int(port)


def converse(
    one: socket.socket, other: socket.socket, times: int, size: int, server: str = "8.8.8.8"
) -> None:
    """Packets of this size both ways between two hosts, each by the external endpoint of the other."""
    address_one, address_other = mapped(one, server), mapped(other, server)
    for number in range(times):
        asked, answer = (word % number * (size // 7) for word in (b"ping %2d", b"pong %2d"))
        one.sendto(asked, address_other)
        assert other.recvfrom(size) == (asked, address_one)
        other.sendto(answer, address_one)
        assert one.recvfrom(size) == (answer, address_other)
