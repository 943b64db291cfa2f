# SPDX-License-Identifier: Apache-2.0
"""Watch the host for changes: interfaces, addresses, routes, neighbors, and hooks removed by others.

Only the type of a message is read; whoever needs details asks the kernel again. The exception are
neighbors: they report every transition of their state machine, but only a new MAC address or a change of
reachability affects the path of a packet.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Flag, auto

from snatsh.datapath.netlink import attributes_in, messages_in

COALESCE_SECONDS = 0.05


class HostChange(Flag):
    """What changed. LINKS: interfaces or addresses. PATHS: routes or neighbors. HOOKS: a program was
    detached, or something put in its way. VERDICTS: the state of a monitored link. CLAIMS: whether pool
    addresses are free."""

    NONE = 0
    LINKS = auto()
    PATHS = auto()
    HOOKS = auto()
    VERDICTS = auto()
    CLAIMS = auto()
    ALL = LINKS | PATHS | HOOKS


# linux/rtnetlink.h
_GROUPS = 0x1 | 0x4 | 0x8 | 0x10 | 0x40 | 0x80  # RTMGRP: LINK, NEIGH, TC, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE
_MORE_GROUPS = (24, 32)  # RTNLGRP: IPV4_NETCONF, NEXTHOP
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_DELNEIGH = 29
_KINDS = {
    16: HostChange.LINKS | HostChange.PATHS,  # NEWLINK
    17: HostChange.LINKS | HostChange.PATHS | HostChange.HOOKS,  # DELLINK
    20: HostChange.LINKS | HostChange.PATHS,  # NEWADDR
    21: HostChange.LINKS | HostChange.PATHS,  # DELADDR
    24: HostChange.PATHS,  # NEWROUTE
    25: HostChange.PATHS,  # DELROUTE
    28: HostChange.PATHS,  # NEWNEIGH
    _DELNEIGH: HostChange.PATHS,
    32: HostChange.PATHS,  # NEWRULE
    33: HostChange.PATHS,  # DELRULE
    36: HostChange.HOOKS,  # NEWQDISC
    37: HostChange.HOOKS,  # DELQDISC
    44: HostChange.HOOKS,  # NEWTFILTER
    45: HostChange.HOOKS,  # DELTFILTER
    80: HostChange.PATHS,  # NEWNETCONF: forwarding switched on or off
    104: HostChange.PATHS,  # NEWNEXTHOP
    105: HostChange.PATHS,  # DELNEXTHOP
}
_NDMSG = struct.Struct("=BxxxiHBB")
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_UNUSABLE = 0x1 | 0x20  # INCOMPLETE, FAILED
_BUFFER = 1 << 20


class NetlinkWatcher:
    """Calls back in the event loop, at most once in COALESCE_SECONDS, with all changes since."""

    def __init__(self, callback: Callable[[HostChange], None]) -> None:
        self._callback = callback
        self._pending = HostChange.NONE
        self._quiet_until = 0.0
        self._usable: dict[bytes, bytes] = {}
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _GROUPS))
        for group in _MORE_GROUPS:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        change = self._drain()
        if change and not self._pending:
            # Report the first change at once: a new interface does not translate until it has its hook.
            self._loop.call_at(max(self._quiet_until, self._loop.time()), self._report)
        self._pending |= change

    def _drain(self) -> HostChange:
        change = HostChange.NONE
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return change
            except OSError:
                # ENOBUFS: the kernel dropped messages, so anything may have changed.
                self._usable.clear()
                change = HostChange.ALL
                continue
            for kind, body in messages_in(data):
                change |= self._meaning(kind, body)

    def _report(self) -> None:
        self._quiet_until = self._loop.time() + COALESCE_SECONDS
        change, self._pending = self._pending, HostChange.NONE
        self._callback(change)

    def _meaning(self, kind: int, body: bytes) -> HostChange:
        if kind in (28, _DELNEIGH) and not self._is_news(kind, body):
            return HostChange.NONE
        return _KINDS.get(kind, HostChange.NONE)

    def _is_news(self, kind: int, body: bytes) -> bool:
        """Return whether a neighbor became usable, unusable or got another MAC address."""
        if len(body) < _NDMSG.size:
            return True
        _, interface, state, _, _ = _NDMSG.unpack_from(body)
        attributes = dict(attributes_in(body[_NDMSG.size :]))
        key = struct.pack("=i", interface) + attributes.get(_NDA_DST, b"")
        usable = b"" if kind == _DELNEIGH or state & _NUD_UNUSABLE else attributes.get(_NDA_LLADDR, b"")
        before = self._usable.pop(key, b"")
        if usable:
            self._usable[key] = usable
        return usable != before
