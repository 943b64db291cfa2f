# SPDX-License-Identifier: Apache-2.0
"""Facts about the host: interfaces, addresses, next hops, and whether it forwards."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from snatsh.datapath.hooks.attach import framing
from snatsh.datapath.hooks.xdp_support import is_software
from snatsh.engine.errors import EngineError
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.values import Address, InterfaceAddress

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_UP_AND_RUNNING = 0x1 | 0x40
_FAILED = 0x20
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
"""REACHABLE, STALE, DELAY, PROBE, PERMANENT: states of a neighbor whose MAC address is known."""
_ATTEMPTS = 5

Hop = tuple[str, Address]
"""Interface and next hop."""

_BY_KERNEL = 2
"""RTPROT_KERNEL: routes created with an address, which lead to its subnet only."""


def gather(*, routes: bool = False) -> Facts:
    """Gather facts about the network namespace of the calling thread.

    routes: include the gateways of all routes, of which there may be many.
    """
    for _ in range(_ATTEMPTS):
        try:
            with IPRoute() as netlink:
                return _facts(netlink, routes)
        except NetlinkDumpInterrupted:
            continue
        except (NetlinkError, OSError) as error:
            raise EngineError(f"cannot read the interfaces over netlink: {error}") from None
    raise EngineError(f"the interfaces changed during each of {_ATTEMPTS} attempts to read them")


def unreachable(facts: Facts, interfaces: Iterable[str]) -> frozenset[Hop]:
    """Return the neighbors on these interfaces that did not answer the kernel."""
    indices = {facts.interfaces[name].index: name for name in interfaces if name in facts.interfaces}
    found: set[Hop] = set()
    try:
        with IPRoute() as netlink:
            for index, name in indices.items():
                for entry in netlink.get_neighbours(family=socket.AF_INET, ifindex=index):
                    if entry["state"] & _FAILED and entry["ifindex"] == index:
                        found.add((name, Address(entry.get_attr("NDA_DST"))))
    except (NetlinkError, OSError) as error:
        raise EngineError(f"cannot read the neighbors over netlink: {error}") from None
    return frozenset(found)


def unrouted(facts: Facts, hops: Iterable[Hop]) -> frozenset[Hop]:
    """Return the next hops that no route uses. Stops reading routes once all are found."""
    missing = set(hops)
    try:
        with IPRoute() as netlink:
            routes = _gateways(netlink, facts.interfaces)
            while missing and (hop := next(routes, None)):
                missing.discard(hop)
    except (NetlinkError, OSError) as error:
        raise EngineError(f"cannot read the routes over netlink: {error}") from None
    return frozenset(missing)


def traffic() -> dict[str, dict[str, int]]:
    """Return the kernel's counters of each interface. lost: drops and errors."""
    try:
        with IPRoute() as netlink:
            return {str(link.get_attr("IFLA_IFNAME")): _counted(link) for link in netlink.get_links()}
    except (NetlinkError, OSError) as error:
        raise EngineError(f"cannot read the interface counters over netlink: {error}") from None


def _counted(link: Any) -> dict[str, int]:
    stats = dict(link.get_attr("IFLA_STATS64") or {})
    lost = ("rx_errors", "tx_errors", "rx_dropped", "tx_dropped")
    return {
        "packets_in": stats.get("rx_packets", 0),
        "bytes_in": stats.get("rx_bytes", 0),
        "packets_out": stats.get("tx_packets", 0),
        "bytes_out": stats.get("tx_bytes", 0),
        "lost": sum(stats.get(name, 0) for name in lost),
    }


def known_neighbors(facts: Facts) -> dict[Hop, str]:
    """Return the MAC addresses of the neighbors that are known, without those of this gateway."""
    names = {known.index: name for name, known in facts.interfaces.items()}
    own = {known.mac.hex(":") for known in facts.interfaces.values()}
    try:
        with IPRoute() as netlink:
            return {
                (names[entry["ifindex"]], Address(entry.get_attr("NDA_DST"))): mac
                for entry in netlink.get_neighbours(family=socket.AF_INET)
                if entry["state"] & _KNOWN and entry["ifindex"] in names
                if (mac := entry.get_attr("NDA_LLADDR")) and mac not in own
            }
    except (NetlinkDumpInterrupted, NetlinkError, OSError):
        return {}  # only warnings depend on them


def interface_names() -> dict[int, str]:
    """Return the names of all interfaces by index."""
    return dict(socket.if_nameindex())


def forwarding() -> bool:
    """Return whether ip_forward is on."""
    try:
        return _FORWARDING.read_text().strip() != "0"
    except OSError:
        return False


def _facts(netlink: IPRoute, routes: bool) -> Facts:
    links = list(netlink.get_links())
    addresses: dict[int, list[InterfaceAddress]] = {}
    peers: dict[int, list[Address]] = {}
    for message in netlink.get_addr(family=socket.AF_INET):
        # On a point-to-point link IFA_ADDRESS is the peer; IFA_LOCAL is always the local address.
        other = message.get_attr("IFA_ADDRESS")
        own = message.get_attr("IFA_LOCAL") or other
        if other != own:
            peers.setdefault(message["index"], []).append(Address(other))
        addresses.setdefault(message["index"], []).append(InterfaceAddress(f"{own}/{message['prefixlen']}"))
    interfaces = {
        str(link.get_attr("IFLA_IFNAME")): _interface(
            link, tuple(addresses.get(link["index"], ())), tuple(peers.get(link["index"], ()))
        )
        for link in links
    }
    gateways = frozenset(_gateways(netlink, interfaces)) if routes else None
    return Facts(interfaces=interfaces, forwarding=forwarding(), gateways=gateways)


def _gateways(netlink: IPRoute, interfaces: Mapping[str, InterfaceFacts]) -> Iterator[Hop]:
    """Next hops of routes. A route without a gateway leads to the peers of its interface."""
    names = {known.index: name for name, known in interfaces.items()}
    for route in netlink.get_routes(family=socket.AF_INET):
        for index, gateway in route_hops(route):
            name = names.get(index)
            if name is None:
                continue
            if gateway:
                yield name, Address(gateway)
            elif route["proto"] != _BY_KERNEL:
                yield from ((name, peer) for peer in interfaces[name].peers)


def route_hops(route: Any) -> Iterator[tuple[int, str | None]]:
    """Yield interface index and gateway of each next hop of a route."""
    yield route.get_attr("RTA_OIF"), route.get_attr("RTA_GATEWAY")
    for hop in route.get_attr("RTA_MULTIPATH") or ():
        yield hop["oif"], hop.get_attr("RTA_GATEWAY")


def _interface(
    link: Any, addresses: tuple[InterfaceAddress, ...], peers: tuple[Address, ...]
) -> InterfaceFacts:
    mac = link.get_attr("IFLA_ADDRESS") or ""
    return InterfaceFacts(
        index=link["index"],
        mac=bytes.fromhex(mac.replace(":", "")) if mac.count(":") == 5 else b"",
        mtu=link.get_attr("IFLA_MTU") or 0,
        up=link["flags"] & _UP_AND_RUNNING == _UP_AND_RUNNING,
        addresses=addresses,
        carrier_losses=link.get_attr("IFLA_CARRIER_DOWN_COUNT") or 0,
        framing=framing(link),
        peers=peers,
        software=is_software(link),
    )
