# SPDX-License-Identifier: Apache-2.0
"""The end of a link that probes use: packet sockets on its interface, and the MAC of its next hop."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from snatsh.engine.links.probes import frames
from snatsh.engine.links.probes.frames import ArpMessage

ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
BROADCAST = b"\xff" * 6

_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_WORD, _LOAD_BYTE, _LOAD_HALF_INDEXED, _HEADER_LENGTH = 0x20, 0x30, 0x48, 0xB1
_EQUAL, _RETURN = 0x15, 0x06
_BUFFER = 1 << 16
_WAITING = 64
_MAC_SECONDS = 5.0
"""How long the next hop's MAC is used before it is asked for again."""

Filter = tuple[tuple[int, int], ...]
"""What to look at, as `field` packs it, and the value that has to be there."""


def field(code: int, offset: int) -> int:
    """A place in a packet, by the code of the instruction that loads it."""
    return code << 16 | offset


DESTINATION, SOURCE, PROTOCOL = field(_LOAD_WORD, 16), field(_LOAD_WORD, 12), field(_LOAD_BYTE, 9)
SOURCE_PORT = field(_LOAD_HALF_INDEXED, 0)
ARP_SENDER = field(_LOAD_WORD, 14)


@dataclass(frozen=True, slots=True)
class LinkEndpoint:
    """Where a link is on this box. Another one takes new sockets. mac: empty where there are no MACs."""

    interface: str
    index: int
    mac: bytes
    own: bytes
    next_hop: bytes


class PacketSocket:
    """Frames of one protocol by one interface, those that pass a filter in the kernel."""

    def __init__(
        self, place: LinkEndpoint, protocol: int, wanted: Filter, received: Callable[[bytes], None]
    ) -> None:
        self._interface = place.interface
        self._protocol = protocol
        self._received = received
        self._loop = asyncio.get_running_loop()
        # Protocol 0 takes nothing until the filter is in place and the socket is bound.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
        try:
            attach_filter(self._socket, _program(wanted))
            self._socket.bind((place.interface, protocol))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self.read)

    def send(self, data: bytes, mac: bytes) -> None:
        """OSError when the interface refuses."""
        self._socket.sendto(data, (self._interface, self._protocol, 0, 0, mac))

    def read(self) -> None:
        """Take what is there. Also called before a probe is given up: the answer may be waiting here."""
        while True:
            try:
                data = self._socket.recv(2048)
            except OSError:
                return  # nothing more; or the interface went down, which who sends is told too
            self._received(data)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()


class ProbePort:
    """Sends IPv4 packets to the next hop of a link, whose MAC it finds out by itself where there is any."""

    def __init__(self, place: LinkEndpoint) -> None:
        self.place = place
        self._mac: bytes | None = None if place.mac else b""
        self._asked = float("-inf")
        self._waiting: deque[bytes] = deque(maxlen=_WAITING)
        self._loop = asyncio.get_running_loop()
        wanted = ((ARP_SENDER, _number(place.next_hop)),)
        self._arp = PacketSocket(place, ETH_P_ARP, wanted, self._learn)
        # Protocol 0: it only sends.
        self._out = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)

    def send(self, packet: bytes) -> None:
        """Send it, or keep it until the next hop has said its MAC. OSError when the interface refuses."""
        if self.place.mac and (self._mac is None or self._loop.time() - self._asked > _MAC_SECONDS):
            self._ask()
        if self._mac is None:
            self._waiting.append(packet)
        else:
            self._transmit(packet, self._mac)

    def doubt(self) -> None:
        """A probe was lost: the next hop may be another box by now."""
        self._asked = float("-inf")

    def close(self) -> None:
        self._arp.close()
        self._out.close()

    def _ask(self) -> None:
        self._asked = self._loop.time()
        place = self.place
        self._arp.send(frames.arp_request(place.mac, place.own, place.next_hop), BROADCAST)

    def _learn(self, data: bytes) -> None:
        message = ArpMessage.decode(data)
        if message is None or message.address != self.place.next_hop:
            return
        self._mac = message.mac
        while self._waiting:
            try:
                self._transmit(self._waiting.popleft(), message.mac)
            except OSError:
                return

    def _transmit(self, packet: bytes, mac: bytes) -> None:
        self._out.sendto(packet, (self.place.interface, ETH_P_IP, 0, 0, mac))


def attach_filter(target: socket.socket, program: bytes) -> None:
    """Classic BPF on a socket, from its instructions."""
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    target.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


REJECT_ALL = _INSTRUCTION.pack(_RETURN, 0, 0, 0)


def _program(wanted: Filter) -> bytes:
    """Accept what has each of these values; the packet begins with its network header."""
    parts = [_INSTRUCTION.pack(_HEADER_LENGTH, 0, 0, 0)]
    left = len(wanted)
    for place, value in wanted:
        left -= 1
        parts.append(_INSTRUCTION.pack(place >> 16, 0, 0, place & 0xFFFF))
        parts.append(_INSTRUCTION.pack(_EQUAL, 0, 2 * left + 1, value))
    return b"".join([*parts, _INSTRUCTION.pack(_RETURN, 0, 0, _BUFFER), REJECT_ALL])


def _number(address: bytes) -> int:
    return int.from_bytes(address, "big")


def from_target(place: LinkEndpoint, target: bytes, protocol: int) -> Filter:
    """Packets of a protocol from a target to the link's own address."""
    return ((DESTINATION, _number(place.own)), (SOURCE, _number(target)), (PROTOCOL, protocol))
