# SPDX-License-Identifier: Apache-2.0
"""The packets that snatd sends and receives itself: ICMP echo, TCP segments, ARP. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_IP = struct.Struct("!BBHHHBBH4s4s")
_ICMP = struct.Struct("!BBHHH")
_TCP = struct.Struct("!HHIIBBHHH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_DONT_FRAGMENT = 0x4000
_TTL = 64
_WINDOW = 65535

ICMP, TCP = 1, 6
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
_ECHO_REPLY, _ECHO = 0, 8
_ARP_REQUEST, _ARP_REPLY = 1, 2


def checksum(data: bytes) -> int:
    """Compute the Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) & 1)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(protocol: int, source: bytes, destination: bytes, payload: bytes, ttl: int = _TTL) -> bytes:
    """Build an IPv4 packet."""
    length = _IP.size + len(payload)

    def header(check: int) -> bytes:
        return _IP.pack(0x45, 0, length, 0, _DONT_FRAGMENT, ttl, protocol, check, source, destination)

    return header(checksum(header(0))) + payload


def payload_of(data: bytes) -> bytes:
    """Return the payload of an IPv4 packet without frame padding; empty if it is not IPv4."""
    if len(data) < _IP.size or data[0] >> 4 != 4:
        return b""
    return data[(data[0] & 0xF) * 4 : int.from_bytes(data[2:4], "big")]


def echo(identifier: int, sequence: int, token: bytes) -> bytes:
    """Build an ICMP echo request."""
    check = checksum(_ICMP.pack(_ECHO, 0, 0, identifier, sequence) + token)
    return _ICMP.pack(_ECHO, 0, check, identifier, sequence) + token


def echo_reply(message: bytes) -> tuple[int, int, bytes] | None:
    """Return identifier, sequence number and payload of an echo reply."""
    if len(message) < _ICMP.size:
        return None
    kind, _, _, identifier, sequence = _ICMP.unpack_from(message)
    return (identifier, sequence, message[_ICMP.size :]) if kind == _ECHO_REPLY else None


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment without options."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledged: int
    flags: int
    data: bytes = b""

    def encode(self, source: bytes, destination: bytes) -> bytes:
        def header(check: int) -> bytes:
            ports = self.source_port, self.destination_port
            numbers = self.sequence & 0xFFFFFFFF, self.acknowledged & 0xFFFFFFFF
            return _TCP.pack(*ports, *numbers, 5 << 4, self.flags, _WINDOW, check, 0)

        length = _TCP.size + len(self.data)
        pseudo = source + destination + struct.pack("!HH", TCP, length)
        return header(checksum(pseudo + header(0) + self.data)) + self.data

    @classmethod
    def decode(cls, message: bytes) -> Segment | None:
        if len(message) < _TCP.size:
            return None
        source, destination, sequence, acknowledged, offset, flags, *_ = _TCP.unpack_from(message)
        return cls(source, destination, sequence, acknowledged, flags, message[(offset >> 4) * 4 :])


def arp_request(mac: bytes, own: bytes, target: bytes) -> bytes:
    """Build an ARP request; with the own address as target it is an announcement (RFC 5227)."""
    return _ARP.pack(1, 0x0800, 6, 4, _ARP_REQUEST, mac, own, bytes(6), target)


@dataclass(frozen=True, slots=True)
class ArpMessage:
    """mac, address: of the sender. asked_by: target address of a reply."""

    is_reply: bool
    mac: bytes
    address: bytes
    asked_by: bytes

    @classmethod
    def decode(cls, message: bytes) -> ArpMessage | None:
        if len(message) < _ARP.size:
            return None
        _, _, _, _, operation, mac, address, _, target = _ARP.unpack_from(message)
        return cls(operation == _ARP_REPLY, mac, address, target)
