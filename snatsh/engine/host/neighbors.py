# SPDX-License-Identifier: Apache-2.0
"""Keep the MAC addresses of next hops current.

What XDP forwards bypasses the kernel's neighbor table, so the kernel would consider a next hop unused and
miss a change of its MAC address. A managed neighbor (NTF_MANAGED) is probed whether it is used or not.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from snatsh.engine.failure_log import FailureLog
from snatsh.engine.host.facts import route_hops
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from snatsh.model.values import Address

log = logging.getLogger(__name__)

MOST = 1024
"""Most next hops to monitor. Each costs a probe every few seconds."""

_MANAGED = 1
_NUD_NONE, _NUD_PERMANENT = 0, 0x80
_MAIN_TABLE = 254

NextHop = tuple[int, str]
"""Interface index and address."""


class NeighborKeeper:
    """Next hops of the running profile and of routes through its outside interfaces."""

    def __init__(self) -> None:
        self._kept: frozenset[NextHop] = frozenset()
        self._failures = FailureLog(log, logging.WARNING)

    def keep(self, profile: Profile, facts: Facts, *, again: bool) -> None:
        """Have the kernel monitor these next hops and no others. Failures are logged only.

        again: request all of them once more, as an interface that was down lost its neighbors.
        """
        try:
            with IPRoute() as netlink:
                wanted = frozenset(sorted(_next_hops(netlink, profile, facts))[:MOST])
                self._forget(netlink, self._kept - wanted)
                self._watch(netlink, wanted if again else wanted - self._kept)
            self._kept = wanted
        except (NetlinkError, OSError) as error:
            self._complain(error)

    def _watch(self, netlink: Any, hops: frozenset[NextHop]) -> None:
        if not hops:
            return
        # Leave permanent entries alone: an administrator set them.
        fixed = {
            (entry["ifindex"], entry.get_attr("NDA_DST"))
            for entry in netlink.get_neighbours(family=socket.AF_INET)
            if entry["state"] & _NUD_PERMANENT
        }
        for index, address in hops - fixed:
            try:
                netlink.neigh("replace", dst=address, ifindex=index, state=_NUD_NONE, flags_ext=_MANAGED)
            except NetlinkError as error:
                self._complain(error)

    def _forget(self, netlink: Any, hops: frozenset[NextHop]) -> None:
        for index, address in hops:
            try:
                netlink.neigh("del", dst=address, ifindex=index)
            except NetlinkError:
                continue  # removed with its interface

    def _complain(self, error: Exception) -> None:
        self._failures.failed(f"next hops cannot be monitored for MAC address changes: {error}")


def _next_hops(netlink: Any, profile: Profile, facts: Facts) -> Iterator[NextHop]:
    outside = [
        facts.interfaces[name]
        for name, interface in profile.interfaces.items()
        if interface.role == "outside" and name in facts.interfaces
        if facts.interfaces[name].framing == "ethernet"
    ]
    for address in _named(profile):
        yield from ((known.index, str(address)) for known in outside if known.on_link(address))
    indices = {known.index for known in outside}
    for route in netlink.get_routes(family=socket.AF_INET, table=_MAIN_TABLE):
        for index, gateway in route_hops(route):
            if gateway and index in indices:
                yield index, gateway


def _named(profile: Profile) -> Iterable[Address]:
    """Return every next hop that the profile names."""
    found = {link.next_hop for link in profile.links.values()}
    for rule in profile.rules.values():
        found |= {rule.next_hop, rule.redirect, *(failover.redirect for failover in rule.failover.values())}
    return {hop for hop in found if hop is not None}
