# SPDX-License-Identifier: Apache-2.0
"""Announces pool addresses once it is sure that no other station on the link has them.

A new address is *unasked*: ARP is not answered for it. Then the link is asked. If the address is *free*, it
is announced and answered for. If it is *in conflict*, it leaves its pool, raises an alarm, and the link is
asked again until it is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from snatsh.compile.image import AnnouncedRange, Image
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.host import gratuitous_arp
from snatsh.engine.host.arp_probing import ask
from snatsh.engine.host.gratuitous_arp import Station, stations
from snatsh.model.facts import Facts
from snatsh.model.values import Address

log = logging.getLogger(__name__)

MOST_PER_INTERFACE = 4096
"""Most addresses asked for and announced on an interface. ARP requests for the others are still answered."""

AGAIN_SECONDS = 10.0
"""Between the questions for addresses in conflict."""

RETRY_SECONDS = 1.0

SETTLE_SECONDS = 1.0
"""How long a commit waits for the answers: some hundred addresses on each interface are asked for by then."""

Place = tuple[int, int]
"""Index of an interface, and an address on it."""


@dataclass(frozen=True, slots=True)
class AddressConflict:
    """A pool address that another station on the link has."""

    interface: str
    address: Address
    mac: bytes


class Announcer:
    """Knows the state of each announced address. changed: called when an address has become free or not.

    Its sets are replaced, never changed in place: the thread that commits reads them.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._free: frozenset[Place] = frozenset()
        self._conflicts: Mapping[Place, AddressConflict] = {}
        self._current: dict[Station, frozenset[int]] = {}
        self._pending: dict[Station, frozenset[int]] = {}
        self._unchecked: frozenset[Place] = frozenset()
        self._own: frozenset[bytes] = frozenset()
        self._wake = asyncio.Event()
        self._answered = asyncio.Event()
        self._answered.set()
        self._task: asyncio.Task[None] | None = None
        self._failures = FailureLog(log, logging.WARNING)

    @property
    def conflicts(self) -> list[AddressConflict]:
        return [self._conflicts[place] for place in sorted(self._conflicts)]

    def taken(self) -> frozenset[Address]:
        """The addresses that no pool may use at the moment."""
        return frozenset(conflict.address for conflict in self._conflicts.values())

    def unasked(self, image: Image) -> frozenset[Place]:
        """The addresses of an image for which ARP is not answered yet."""
        return _places(image.announced) - _unchecked(image) - self._free

    def trust(self, answered: Iterable[AnnouncedRange]) -> None:
        """Take over the addresses that the datapath answers for, and go on while the link is asked."""
        self._free |= _places(answered)

    def update(self, image: Image, facts: Facts) -> None:
        """Ask for and announce the addresses that are new on their station."""
        wanted = _places(image.announced)
        self._own = frozenset(known.mac for known in facts.interfaces.values())
        self._free = (self._free | _unchecked(image)) & wanted
        self._conflicts = {place: held for place, held in self._conflicts.items() if place in wanted}
        current = {
            station: frozenset(address for _, address in _places(ranges))
            for station, ranges in stations(image.announced, facts).items()
        }
        pending = {
            station: (addresses - self._current.get(station, frozenset()))
            | (addresses & self._pending.get(station, frozenset()))
            for station, addresses in current.items()
        }
        self._current = current
        self._pending = {station: addresses for station, addresses in pending.items() if addresses}
        self._unchecked = _unchecked(image)
        if self._pending:
            self._answered.clear()
            self._wake.set()
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())

    async def settled(self) -> bool:
        """Wait until the link was asked, for a limited time. Return whether there was anything to ask."""
        if self._answered.is_set():
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), SETTLE_SECONDS)
        return True

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._pending or self._conflicts:
            self._wake.clear()
            if not self._pending:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), AGAIN_SECONDS)
                self._ask_again()
            pending, self._pending = self._pending, {}
            await asyncio.gather(*(self._claim(station, held) for station, held in pending.items()))
            if not self._pending:
                self._answered.set()

    def _ask_again(self) -> None:
        for station, addresses in self._current.items():
            again = {address for index, address in self._conflicts if index == station.index} & addresses
            if again:
                self._pending[station] = self._pending.get(station, frozenset()) | again

    async def _claim(self, station: Station, addresses: frozenset[int]) -> None:
        """Ask for addresses and announce those that are free."""
        asked = sorted(address for address in addresses if (station.index, address) not in self._unchecked)
        try:
            found = await ask(station, asked, self._own) if asked else {}
            self._settle(station, asked, found)
            # Addresses withdrawn meanwhile are skipped.
            held = self._current.get(station, frozenset())
            await gratuitous_arp.announce(station, sorted((addresses & held) - found.keys()))
            self._failures.succeeded()
        except OSError as error:
            self._failures.failed(f"cannot announce addresses on {station.name}: {error}; retrying")
            await asyncio.sleep(RETRY_SECONDS)
            if station in self._current:
                again = addresses & self._current[station]
                self._pending[station] = self._pending.get(station, frozenset()) | again

    def _settle(self, station: Station, asked: Iterable[int], found: Mapping[int, bytes]) -> None:
        held = self._current.get(station, frozenset())
        free, conflicts = set(self._free), dict(self._conflicts)
        for address in held.intersection(asked):
            place = (station.index, address)
            if address in found:
                free.discard(place)
                conflicts[place] = AddressConflict(station.name, Address(address), found[address])
            else:
                conflicts.pop(place, None)
                free.add(place)
        for place in sorted(conflicts.keys() - self._conflicts.keys()):
            log.warning("%s", describe(conflicts[place]))
        for place in sorted(self._conflicts.keys() - conflicts.keys()):
            log.info("pool address %s on %s is free again", Address(place[1]), station.name)
        if free != self._free or conflicts.keys() != self._conflicts.keys():
            self._free, self._conflicts = frozenset(free), conflicts
            self._changed()


def describe(conflict: AddressConflict) -> str:
    """Word the alarm of a conflict."""
    return (
        f"pool address {conflict.address} is in use by another station on {conflict.interface} "
        f"({conflict.mac.hex(':')}); it is not used and not announced"
    )


def _places(announced: Iterable[AnnouncedRange]) -> frozenset[Place]:
    """The addresses to ask for and announce, up to the limit of each interface."""
    found: dict[int, set[int]] = {}
    for given in announced:
        addresses = found.setdefault(given.interface, set())
        first, room = int(given.run.first), MOST_PER_INTERFACE - len(addresses)
        addresses.update(range(first, min(int(given.run.last), first + room - 1) + 1))
    return frozenset((index, address) for index, addresses in found.items() for address in addresses)


def _unchecked(image: Image) -> frozenset[Place]:
    """The addresses that are announced without a question: as configured, and the gateway's own."""
    own = {int(one.address) for one in image.own}
    always = _places(given for given in image.announced if given.unchecked)
    return always | {place for place in _places(image.announced) if place[1] in own}
