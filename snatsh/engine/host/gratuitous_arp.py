# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP: announce pool addresses to the neighbors on a link (RFC 5227)."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from snatsh.engine import packets
from snatsh.model.facts import Facts
from snatsh.model.values import AddressRange

log = logging.getLogger(__name__)

MOST_PER_INTERFACE = 4096
"""Most addresses announced on an interface. ARP requests for the others are still answered."""

BATCH = 32
PAUSE_SECONDS = 0.01

_ETH_P_ARP = 0x0806
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Station:
    """An interface that can send ARP. Another MAC address or index makes it another station."""

    index: int
    name: str
    mac: bytes


Announced = dict[Station, tuple[AddressRange, ...]]


def stations(announced: Iterable[tuple[AddressRange, int]], facts: Facts) -> Announced:
    """Return the announced addresses by interface, for interfaces that are up and have a MAC address."""
    speaking = {
        known.index: Station(known.index, name, known.mac)
        for name, known in facts.interfaces.items()
        if known.up and len(known.mac) == 6
    }
    found: dict[Station, list[AddressRange]] = {}
    for run, index in announced:
        if index in speaking:
            found.setdefault(speaking[index], []).append(run)
    return {station: tuple(runs) for station, runs in found.items()}


class Announcer:
    """Announces new addresses in the background, paced. Addresses withdrawn meanwhile are skipped."""

    def __init__(self) -> None:
        self._current: dict[Station, set[int]] = {}
        self._pending: dict[Station, list[int]] = {}
        self._task: asyncio.Task[None] | None = None

    def update(self, announced: Announced) -> None:
        """Announce addresses that are new on their station."""
        current = {station: _addresses(runs) for station, runs in announced.items()}
        for station, addresses in current.items():
            new = addresses - self._current.get(station, set())
            waiting = addresses.intersection(self._pending.get(station, ()))
            self._pending[station] = _bounded(station, new | waiting)
        self._pending = {
            station: left for station, left in self._pending.items() if left and station in current
        }
        self._current = current
        if self._pending and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._send())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self) -> None:
        while self._pending:
            for station in list(self._pending):
                waiting = self._pending.pop(station)
                batch, left = waiting[:BATCH], waiting[BATCH:]
                if left:
                    self._pending[station] = left
                _broadcast(station, batch)
            await asyncio.sleep(PAUSE_SECONDS)


def frame(mac: bytes, address: int) -> bytes:
    """Build an ARP announcement: a request whose sender and target are the address."""
    own = address.to_bytes(4, "big")
    header = _BROADCAST + mac + _ETH_P_ARP.to_bytes(2, "big")
    return header + packets.arp_request(mac, own, own)


def _broadcast(station: Station, addresses: list[int]) -> None:
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((station.name, 0))
            for address in addresses:
                sender.send(frame(station.mac, address))
    except OSError as error:
        log.warning("cannot announce %d addresses on %s: %s", len(addresses), station.name, error)


def _addresses(runs: Iterable[AddressRange]) -> set[int]:
    """Return the addresses to announce, up to the limit."""
    found: set[int] = set()
    for run in runs:
        room = MOST_PER_INTERFACE - len(found)
        found.update(range(int(run.first), min(int(run.last), int(run.first) + room - 1) + 1))
    return found


def _bounded(station: Station, addresses: set[int]) -> list[int]:
    if len(addresses) >= MOST_PER_INTERFACE:
        log.warning("%s: only the first %d addresses are announced", station.name, MOST_PER_INTERFACE)
    return sorted(addresses)
