# SPDX-License-Identifier: Apache-2.0
"""The kernel's answer to a route lookup, by all that policy rules look at (`ip route get`)."""

from __future__ import annotations

import os
import socket
import struct
import sys
from dataclasses import dataclass

from snatsh.datapath.netlink import ATTRIBUTE, HEADER, attributes_in, messages_in
from snatsh.engine.errors import EngineError
from snatsh.model.values import Address

_GET_ROUTE, _REQUEST, _ERROR = 26, 0x1, 2
_RTMSG = struct.Struct("=BBBBBBBBI")
_DST, _SRC, _IIF, _OIF, _GATEWAY, _MARK, _PROTOCOL, _SPORT, _DPORT = 1, 2, 3, 4, 5, 16, 27, 28, 29
_SECONDS = 2.0


class RouteRefused(EngineError):
    """The kernel has no route for such a packet."""


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """A packet. interface: index of the one it comes in by; 0 for a packet of the gateway itself."""

    source: Address | None
    destination: Address
    interface: int = 0
    protocol: int = 0
    source_port: int = 0
    destination_port: int = 0
    mark: int = 0


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """interface: index, 0 for none. next_hop: the gateway, or the destination itself."""

    interface: int
    next_hop: Address


def route_of(question: RouteQuestion) -> FoundRoute:
    """Ask the kernel. RouteRefused."""
    body = _RTMSG.pack(socket.AF_INET, 32, 32 if question.source else 0, 0, 0, 0, 0, 0, 0)
    body += b"".join(_attributes(question))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        netlink.settimeout(_SECONDS)
        netlink.send(HEADER.pack(HEADER.size + len(body), _GET_ROUTE, _REQUEST, 0, 0) + body)
        kind, answer = next(messages_in(netlink.recv(1 << 16)))
    if kind == _ERROR:
        raise RouteRefused(os.strerror(-struct.unpack_from("=i", answer)[0]))
    found = dict(attributes_in(answer[_RTMSG.size :]))
    gateway = found.get(_GATEWAY)
    next_hop = Address(gateway) if gateway else question.destination
    return FoundRoute(int.from_bytes(found.get(_OIF, b""), sys.byteorder), next_hop)


def _attributes(question: RouteQuestion) -> list[bytes]:
    found = [_attribute(_DST, question.destination.packed)]
    if question.source:
        found.append(_attribute(_SRC, question.source.packed))
    for kind, number in ((_IIF, question.interface), (_MARK, question.mark)):
        if number:
            found.append(_attribute(kind, struct.pack("=I", number)))
    if question.protocol:
        found.append(_attribute(_PROTOCOL, struct.pack("=B", question.protocol)))
    if question.protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        for kind, port in ((_SPORT, question.source_port), (_DPORT, question.destination_port)):
            found.append(_attribute(kind, struct.pack("!H", port)))
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
