# SPDX-License-Identifier: Apache-2.0
"""ARP probes: ask a link whether another station has an address, before it is announced (RFC 5227).

RFC 5227 spreads three probes over seconds, for hosts that boot together and for links that take as long to
forward. Nothing is answered for a new pool address meanwhile, so we wait a good half second: the
stations of a segment answer within milliseconds, and a conflict that is missed is found by the next question.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Sequence

from snatsh.engine.host.gratuitous_arp import BATCH, ETH_P_ARP, PAUSE_SECONDS, Station, request
from snatsh.engine.packets import ArpMessage

PROBES = 3
INTERVAL_SECONDS = 0.2

_HEADER = 14
_NOBODY = bytes(4)


async def ask(station: Station, addresses: Sequence[int], own: Collection[bytes]) -> dict[int, bytes]:
    """Return the addresses that another station has, each with its MAC address. OSError.

    own: the MAC addresses of this gateway, several of whose interfaces may be on the segment.
    """
    asked, found = frozenset(addresses), dict[int, bytes]()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0) as link:
        link.bind((station.name, ETH_P_ARP))

        def read() -> None:
            try:
                while frame := link.recv(128):
                    heard = _claim(frame)
                    if heard and heard[0] in asked and heard[1] not in own:
                        found[heard[0]] = heard[1]
            except BlockingIOError:
                pass
            except OSError:
                loop.remove_reader(link)  # the interface is gone, which the next probe reports

        loop = asyncio.get_running_loop()
        loop.add_reader(link, read)
        try:
            for _ in range(PROBES):
                await _probe(link, station, addresses)
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            loop.remove_reader(link)
    return found


async def _probe(link: socket.socket, station: Station, addresses: Sequence[int]) -> None:
    for first in range(0, len(addresses), BATCH):
        for address in addresses[first : first + BATCH]:
            link.send(request(station.mac, _NOBODY, address))
        if first + BATCH < len(addresses):
            await asyncio.sleep(PAUSE_SECONDS)


def _claim(frame: bytes) -> tuple[int, bytes] | None:
    """The address that the sender of a frame has, or probes as we do, and its MAC address."""
    message = ArpMessage.decode(frame[_HEADER:])
    if message is None:
        return None
    is_probe = message.address == _NOBODY and not message.is_reply
    address = message.asked_by if is_probe else message.address
    return int.from_bytes(address, "big"), message.mac
