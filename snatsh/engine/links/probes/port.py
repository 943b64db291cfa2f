# SPDX-License-Identifier: Apache-2.0
"""Packet sockets on the interface of a link, and the MAC address of its next hop."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from snatsh.engine import packets
from snatsh.engine.packets import ArpMessage

ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
BROADCAST = b"\xff" * 6

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_WORD, _LOAD_BYTE, _LOAD_HALF_INDEXED, _HEADER_LENGTH = 0x20, 0x30, 0x48, 0xB1
_EQUAL, _RETURN = 0x15, 0x06
_BUFFER = 1 << 16
_WAITING = 64
_MAC_SECONDS = 5.0
"""How long the MAC address of the next hop is used before it is resolved again."""

Filter = tuple[tuple[int, int], ...]
"""Fields, as `field` packs them, and their expected values."""


def field(code: int, offset: int) -> int:
    """Pack an offset in a packet with the BPF instruction that loads it."""
    return code << 16 | offset


DESTINATION, SOURCE, PROTOCOL = field(_LOAD_WORD, 16), field(_LOAD_WORD, 12), field(_LOAD_BYTE, 9)
SOURCE_PORT = field(_LOAD_HALF_INDEXED, 0)
ARP_SENDER = field(_LOAD_WORD, 14)


@dataclass(frozen=True, slots=True)
class LinkEndpoint:
    """The local end of a link; another one needs new sockets. mac: empty on interfaces without one."""

    interface: str
    index: int
    mac: bytes
    own: bytes
    next_hop: bytes


class PacketSocket:
    """Receives frames of one protocol on one interface that pass a filter in the kernel."""

    def __init__(
        self, endpoint: LinkEndpoint, protocol: int, wanted: Filter, received: Callable[[bytes], None]
    ) -> None:
        self._interface = endpoint.interface
        self._protocol = protocol
        self._received = received
        self._loop = asyncio.get_running_loop()
        # Protocol 0 takes nothing until the filter is in endpoint and the socket is bound.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        try:
            attach_filter(self._socket, _program(wanted))
            self._socket.bind((endpoint.interface, protocol))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self.read)

    def send(self, data: bytes, mac: bytes) -> None:
        """OSError when the interface refuses."""
        self._socket.sendto(data, (self._interface, self._protocol, 0, 0, mac))

    def read(self) -> None:
        """Take what is there. Also called before a probe is given up: the reply may be waiting here."""
        while True:
            try:
                data = self._socket.recv(2048)
            except OSError:
                return  # nothing more to read, or the interface went down, which sending reports
            self._received(data)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()


class ProbePort:
    """Sends IPv4 packets to the next hop of a link, and resolves its MAC address."""

    def __init__(self, endpoint: LinkEndpoint) -> None:
        self.endpoint = endpoint
        self._mac: bytes | None = None if endpoint.mac else b""
        self._asked = float("-inf")
        self._waiting: deque[bytes] = deque(maxlen=_WAITING)
        self._loop = asyncio.get_running_loop()
        wanted = ((ARP_SENDER, _number(endpoint.next_hop)),)
        self._arp = PacketSocket(endpoint, ETH_P_ARP, wanted, self._learn)
        # Protocol 0: send only.
        self._out = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)

    def send(self, packet: bytes) -> None:
        """Send a packet, after resolving the next hop if necessary. OSError if the interface refuses it."""
        if self.endpoint.mac and (self._mac is None or self._loop.time() - self._asked > _MAC_SECONDS):
            self._ask()
        if self._mac is None:
            self._waiting.append(packet)
        else:
            self._transmit(packet, self._mac)

    def doubt(self) -> None:
        """Resolve the next hop again after a lost probe: another device may have taken over."""
        self._asked = float("-inf")

    def close(self) -> None:
        self._arp.close()
        self._out.close()

    def _ask(self) -> None:
        self._asked = self._loop.time()
        endpoint = self.endpoint
        self._arp.send(packets.arp_request(endpoint.mac, endpoint.own, endpoint.next_hop), BROADCAST)

    def _learn(self, data: bytes) -> None:
        message = ArpMessage.decode(data)
        if message is None or message.address != self.endpoint.next_hop:
            return
        self._mac = message.mac
        while self._waiting:
            try:
                self._transmit(self._waiting.popleft(), message.mac)
            except OSError:
                return

    def _transmit(self, packet: bytes, mac: bytes) -> None:
        self._out.sendto(packet, (self.endpoint.interface, ETH_P_IP, 0, 0, mac))


def attach_filter(target: socket.socket, program: bytes) -> None:
    """Attach a classic BPF program to a socket."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    target.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


REJECT_ALL = _INSTRUCTION.pack(_RETURN, 0, 0, 0)


def _program(wanted: Filter) -> bytes:
    """Build a program that accepts packets with all of these values, from the network header on."""
    parts = [_INSTRUCTION.pack(_HEADER_LENGTH, 0, 0, 0)]
    left = len(wanted)
    for endpoint, value in wanted:
        left -= 1
        parts.append(_INSTRUCTION.pack(endpoint >> 16, 0, 0, endpoint & 0xFFFF))
        parts.append(_INSTRUCTION.pack(_EQUAL, 0, 2 * left + 1, value))
    return b"".join([*parts, _INSTRUCTION.pack(_RETURN, 0, 0, _BUFFER), REJECT_ALL])


def _number(address: bytes) -> int:
    return int.from_bytes(address, "big")


def from_target(endpoint: LinkEndpoint, target: bytes, protocol: int) -> Filter:
    """Match packets of a protocol from a target to the local address of the link."""
    return ((DESTINATION, _number(endpoint.own)), (SOURCE, _number(target)), (PROTOCOL, protocol))
