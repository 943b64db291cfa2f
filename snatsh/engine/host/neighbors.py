# SPDX-License-Identifier: Apache-2.0
"""Keep the MAC addresses of next hops current.

What XDP forwards bypasses the kernel's neighbor table, so the kernel would consider a next hop unused and
miss a change of its MAC address. A managed neighbor (NTF_MANAGED) is probed whether it is used or not.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
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

PROTOCOL = 83
"""Marks our entries (NDA_PROTOCOL), as a routing protocol marks its routes."""

_MANAGED = 1
_EXTERN_LEARN = 0x10
_NUD_NONE, _NUD_NOARP, _NUD_PERMANENT = 0, 0x40, 0x80
_NUD_STALE = 0x04
_MAIN_TABLE = 254

NextHop = tuple[int, str]
"""Interface index and address."""


class NeighborKeeper:
    """Next hops of the running profile and of routes through its outside interfaces.

    Entries of an administrator or another program are left alone. Ours carry our protocol, by which the next
    snatd finds them.
    """

    def __init__(self) -> None:
        self._kept: frozenset[NextHop] | None = None
        self._failures = FailureLog(log, logging.WARNING)

    def keep(self, profile: Profile, facts: Facts, *, again: bool) -> None:
        """Have the kernel monitor these next hops and no others. Failures are logged only.

        again: request all of them once more, as an interface that was down lost its neighbors.
        """
        try:
            with IPRoute() as netlink:
                wanted = frozenset(sorted(_next_hops(netlink, profile, facts))[:MOST])
                if again or wanted != self._kept:
                    self._reconcile(netlink, wanted)
            self._kept = wanted
        except (NetlinkError, OSError) as error:
            self._complain(error)

    def _reconcile(self, netlink: Any, wanted: frozenset[NextHop]) -> None:
        entries = {
            (entry["ifindex"], entry.get_attr("NDA_DST")): entry
            for entry in netlink.get_neighbours(family=socket.AF_INET)
        }
        for hop, entry in entries.items():
            if hop not in wanted and _is_ours(entry):
                _give_back(netlink, entry)
        for index, address in sorted(wanted):
            if (index, address) in entries and _is_of_others(entries[index, address]):
                continue
            try:
                netlink.neigh(
                    "replace",
                    dst=address,
                    ifindex=index,
                    state=_NUD_NONE,
                    flags_ext=_MANAGED,
                    protocol=PROTOCOL,
                )
            except NetlinkError as error:
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        self._failures.failed(f"next hops cannot be monitored for MAC address changes: {error}")


def _is_managed(entry: Any) -> bool:
    return bool((entry.get_attr("NDA_FLAGS_EXT") or 0) & _MANAGED)


def _is_ours(entry: Any) -> bool:
    """Whether the entry is as we made it. A change by an administrator clears the flag."""
    fixed = entry["state"] & (_NUD_PERMANENT | _NUD_NOARP)
    return _is_managed(entry) and entry.get_attr("NDA_PROTOCOL") == PROTOCOL and not fixed


def _is_of_others(entry: Any) -> bool:
    """Whether an administrator or another program set the entry. What the kernel learned may be replaced."""
    fixed = entry["state"] & (_NUD_PERMANENT | _NUD_NOARP)
    managed = _is_managed(entry) and entry.get_attr("NDA_PROTOCOL") != PROTOCOL
    return bool(fixed or entry["flags"] & _EXTERN_LEARN or managed)


def _give_back(netlink: Any, entry: Any) -> None:
    """Leave what was learned to the kernel as an ordinary entry; delete one that has no MAC address."""
    at = {"dst": entry.get_attr("NDA_DST"), "ifindex": entry["ifindex"]}
    mac = entry.get_attr("NDA_LLADDR")
    with suppress(NetlinkError):  # removed with its interface
        if mac:
            netlink.neigh("change", **at, lladdr=mac, state=_NUD_STALE, protocol=0)
        else:
            netlink.neigh("del", **at)


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
