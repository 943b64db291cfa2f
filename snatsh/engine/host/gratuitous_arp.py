# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP: announce pool addresses to the neighbors on a link (RFC 5227)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from snatsh.compile.image import AnnouncedRange
from snatsh.engine import packets
from snatsh.model.facts import Facts

BATCH = 32
PAUSE_SECONDS = 0.01

ETH_P_ARP = 0x0806
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Station:
    """An interface that can send ARP. Another MAC address or index makes it another station."""

    index: int
    name: str
    mac: bytes


def stations(announced: Iterable[AnnouncedRange], facts: Facts) -> dict[Station, tuple[AnnouncedRange, ...]]:
    """Return the announced addresses by interface, for interfaces that are up and have a MAC address."""
    speaking = {
        known.index: Station(known.index, name, known.mac)
        for name, known in facts.interfaces.items()
        if known.up and len(known.mac) == 6
    }
    found: dict[Station, list[AnnouncedRange]] = {}
    for given in announced:
        if given.interface in speaking:
            found.setdefault(speaking[given.interface], []).append(given)
    return {station: tuple(ranges) for station, ranges in found.items()}


def request(mac: bytes, own: bytes, address: int) -> bytes:
    """Build the frame of a broadcast ARP request."""
    header = _BROADCAST + mac + ETH_P_ARP.to_bytes(2, "big")
    return header + packets.arp_request(mac, own, address.to_bytes(4, "big"))


def frame(mac: bytes, address: int) -> bytes:
    """Build an ARP announcement: a request whose sender and target are the address."""
    return request(mac, address.to_bytes(4, "big"), address)


async def announce(station: Station, addresses: Sequence[int]) -> None:
    """Announce addresses, paced. OSError."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((station.name, 0))
        for first in range(0, len(addresses), BATCH):
            for address in addresses[first : first + BATCH]:
                sender.send(frame(station.mac, address))
            await asyncio.sleep(PAUSE_SECONDS)
