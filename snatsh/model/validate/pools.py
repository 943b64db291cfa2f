# SPDX-License-Identifier: Apache-2.0
"""Validates pools: external addresses that can be translated to, each in one pool only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from snatsh.model.errors import Path, Problem
from snatsh.model.next_hops import next_hop
from snatsh.model.pool_addresses import Spans, runs
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.validate.validation_context import ValidationContext
from snatsh.model.values import INVALID_SOURCES, Address, AddressRange
from snatsh.model.vocabulary import FIRST_HIGH_PORT

MAX_POOL_ADDRESSES = 65_536
"""Addresses of a pool."""

MAX_ADDRESSES = 1_048_576
"""Addresses of all pools together."""

_INVALID_SOURCES = Spans(INVALID_SOURCES)

Runs = tuple[AddressRange, ...]


def check_pools(context: ValidationContext) -> Iterator[Problem]:
    """Problems of all pools by name, then of all pools together."""
    pools = {name: runs(pool) for name, pool in sorted(context.profile.pools.items())}
    points = _Points(context)
    for name, held in pools.items():
        pool = context.profile.pools[name]
        yield from _check_port_class(("pools", name), pool)
        if pool.interface_address is not None:
            yield from _check_followed(context, ("pools", name), pool)
            continue
        yield from _check_size(("pools", name), pool, held)
        yield from _check_statements(("pools", name), pool)
        yield from points.check(("pools", name, "address"), pool, held)
    yield from _check_overlaps(pools)
    total = _size(held for held in pools.values())
    if total > MAX_ADDRESSES:
        reason = f"more than all pools together may hold; expected at most {MAX_ADDRESSES:,}"
        yield Problem(("pools",), f"{total:,} addresses", reason)


def _size(pools: Iterator[Runs]) -> int:
    return sum(run.size for held in pools for run in held)


def _check_size(path: Path, pool: Pool, held: Runs) -> Iterator[Problem]:
    size = _size(iter([held]))
    if not pool.address:
        yield Problem((*path, "address"), "", "missing; expected at least one address, range or prefix")
    elif not size:
        yield Problem((*path, "exclude"), "", "leaves no address; expected at least one")
    elif size > MAX_POOL_ADDRESSES:
        reason = f"more than a pool may hold; expected at most {MAX_POOL_ADDRESSES:,}"
        yield Problem((*path, "address"), f"{size:,} addresses", reason)


def _check_port_class(path: Path, pool: Pool) -> Iterator[Problem]:
    if pool.port_class == "preserve" and not pool.ports.first < FIRST_HIGH_PORT <= pool.ports.last:
        reason = f"has no effect; expected ports below and from {FIRST_HIGH_PORT}, such as 1-65535"
        yield Problem((*path, "ports"), str(pool.ports), reason, "warning")


def check_written(profile: Profile) -> Iterator[Problem]:
    """Problems of pools that follow an interface, in the profile before its addresses are filled in."""
    for name, pool in sorted(profile.pools.items()):
        for other in ("address", "exclude"):
            if pool.interface_address is not None and getattr(pool, other):
                reason = "can't be given beside interface-address; expected one of them"
                yield Problem(("pools", name, other), "", reason)


def _check_followed(context: ValidationContext, path: Path, pool: Pool) -> Iterator[Problem]:
    """Problems of a pool that follows the address of an interface."""
    interface = str(pool.interface_address)
    yield from context.check_outside((*path, "interface-address"), interface)
    if context.facts is not None and not pool.address:
        reason = "has no address at the moment; flows of this pool are dropped until it has one"
        yield Problem((*path, "interface-address"), interface, reason, "warning")


def _check_statements(path: Path, pool: Pool) -> Iterator[Problem]:
    """Statements of a pool that are invalid, redundant or without effect."""
    taken = Spans()
    for given in pool.address:
        if _INVALID_SOURCES.meets(given):
            reason = "contains invalid sources; expected unicast addresses only"
            yield Problem((*path, "address"), str(given), reason)
        if taken.meets(given):
            reason = "overlaps another address statement of this pool; each address counts once"
            yield Problem((*path, "address"), str(given), reason, "warning")
        taken.add(given)
    for hole in pool.exclude:
        if not taken.meets(hole):
            reason = "excludes nothing; expected addresses of this pool"
            yield Problem((*path, "exclude"), str(hole), reason, "warning")


def _check_overlaps(pools: Mapping[str, Runs]) -> Iterator[Problem]:
    """One sweep over all ranges in order: one overlaps if it begins before the end of another pool's."""
    ordered = sorted(
        (int(run.first), int(run.last), run, name) for name, held in pools.items() for run in held
    )
    reported: set[frozenset[str]] = set()
    highest, farthest, owner = -1, None, ""
    for first, last, run, name in ordered:
        pair = frozenset((owner, name))
        if first <= highest and name != owner and pair not in reported:
            reported.add(pair)
            reason = f"overlaps {farthest} of pool {owner}; expected each address in one pool only"
            yield Problem(("pools", name, "address"), str(run), reason)
        if last > highest:
            highest, farthest, owner = last, run, name


class _Points:
    """Single addresses that a pool should not contain, in order, each with the reason."""

    def __init__(self, context: ValidationContext) -> None:
        self._own = sorted(
            (address, f"is this gateway's own, on {name}") for address, name in context.own.items()
        )
        hops = dict(_next_hops(context))
        self._hops = sorted(hops.items())
        self._neighbors = sorted(
            (int(address), f"is in use by a neighbor on {name} ({mac})")
            for (name, address), mac in (context.facts.neighbors if context.facts else {}).items()
            if int(address) not in hops
        )
        self._edges = sorted(_subnet_edges(context))

    def check(self, path: Path, pool: Pool, held: Runs) -> Iterator[Problem]:
        if pool.unmatched == "drop":
            for address, reason in _within(held, self._own):
                expected = "expected it excluded, or unmatched stack; the gateway would be cut off"
                yield Problem(path, address, f"{reason}; {expected}")
        for address, reason in _within(held, self._hops):
            yield Problem(path, address, f"{reason}; expected it excluded")
        if pool.announce != "none":
            for address, reason in _within(held, self._neighbors):
                yield Problem(path, address, f"{reason}; expected it excluded, or free", "warning")
        for address, reason in _within(held, self._edges):
            yield Problem(path, address, f"{reason}; expected it excluded", "warning")


def _within(held: Runs, points: list[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """The points that lie in the ranges: address and reason."""
    for run in held:
        begin = bisect_left(points, (int(run.first), ""))
        end = bisect_left(points, (int(run.last) + 1, ""))
        for number, reason in points[begin:end]:
            yield str(Address(number)), reason


def _next_hops(context: ValidationContext) -> Iterator[tuple[int, str]]:
    """The routers that the gateway knows, each with where from; the last one for an address counts."""
    for interface, gateway in sorted((context.facts and context.facts.gateways) or ()):
        yield int(gateway), f"is the next hop of a route by {interface}"
    for number, rule in sorted(context.profile.rules.items(), reverse=True):
        for failover in rule.failover.values():
            if failover.redirect is not None:
                yield int(failover.redirect), f"is the next hop of a failover of rule {number}"
        for hop, what in ((rule.redirect, "rule {} redirects to"), (rule.next_hop, "rule {} matches")):
            if hop is not None:
                yield int(hop), f"is the next hop that {what.format(number)}"
    for name, link in sorted(context.profile.links.items(), reverse=True):
        hop = next_hop(link, context.facts)
        if hop is not None:
            yield int(hop), f"is the next hop of link {name}"


def _subnet_edges(context: ValidationContext) -> Iterator[tuple[int, str]]:
    for subnet in context.subnets(sorted(context.profile.interfaces)):
        if subnet.num_addresses > 2:
            yield int(subnet.network_address), f"is the network address of {subnet}"
            yield int(subnet.broadcast_address), f"is the broadcast address of {subnet}"
