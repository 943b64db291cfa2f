# SPDX-License-Identifier: Apache-2.0
"""Tell the kernel which neighbors flows use.

What the datapath sends does not count as use of a neighbor entry, so the kernel would not notice that a host
has another MAC address until that host speaks ARP. A used entry that is stale is probed, and given up without
a reply; the next packet then resolves the address anew.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from snatsh.datapath.flow_table import Station
from snatsh.datapath.netlink import attributes_in, dump

log = logging.getLogger(__name__)

SECONDS = 5.0
"""Between two looks."""

RECENT = 10.0
"""Seconds without a packet after which a neighbor is no longer in use."""

MOST = 512
"""Most entries reported at a time. Each is probed by a few ARP requests, so this limits their rate."""

# linux/rtnetlink.h, linux/neighbour.h
_GET_NEIGHBORS = 30
_NDMSG = struct.Struct("=BxxxiHBB")
_DESTINATION, _MAC, _MORE_FLAGS = 1, 2, 15
_STALE = 0x04
_USE, _KEPT_BY_OTHERS = 0x01, 0x10  # NTF_EXT_LEARNED
_MANAGED = struct.pack("=I", 1)


@dataclass(frozen=True, slots=True)
class StaleNeighbor:
    address: str
    station: Station


class NeighborUse:
    """stations: to whom flows have sent packets in so many seconds."""

    def __init__(self, stations: Callable[[float], set[Station]]) -> None:
        self._stations = stations

    def report(self) -> int:
        """Have the kernel probe what is stale and in use. Return how many; OSError without netlink."""
        stale = list(_stale())
        used = self._stations(RECENT) if stale else set()
        found = [neighbor for neighbor in stale if neighbor.station in used][:MOST]
        if found:
            with IPRoute() as netlink:
                for neighbor in found:
                    _use(netlink, neighbor)
        return len(found)


def _use(netlink: IPRoute, neighbor: StaleNeighbor) -> None:
    index, _ = neighbor.station
    try:
        netlink.neigh("change", dst=neighbor.address, ifindex=index, state=_STALE, flags=_USE)
    except NetlinkError as error:
        log.debug("neighbor %s has gone: %s", neighbor.address, error)


def _stale() -> Iterator[StaleNeighbor]:
    """Without those that the kernel or a routing daemon keeps current."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        netlink.settimeout(SECONDS)
        for _, body in dump(netlink, _GET_NEIGHBORS, _NDMSG.pack(socket.AF_INET, 0, 0, 0, 0)):
            _, index, state, flags, _ = _NDMSG.unpack_from(body)
            if not state & _STALE or flags & _KEPT_BY_OTHERS:
                continue
            found = dict(attributes_in(body[_NDMSG.size :]))
            if found.get(_MORE_FLAGS) != _MANAGED and {_DESTINATION, _MAC} <= found.keys():
                yield StaleNeighbor(socket.inet_ntoa(found[_DESTINATION]), (index, found[_MAC]))
