# SPDX-License-Identifier: Apache-2.0
"""Whether pools hold addresses that may be translated to, and each address only once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from snatsh.model.errors import Path, Problem
from snatsh.model.pool_addresses import Spans, runs
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.validate.validation_context import ValidationContext
from snatsh.model.values import Address, AddressRange

MAX_POOL_ADDRESSES = 65_536
"""Addresses of one pool."""

MAX_ADDRESSES = 1_048_576
"""Addresses of all pools together."""

_NEVER_A_SOURCE = Spans(
    AddressRange.parse(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255")
)

Runs = tuple[AddressRange, ...]


def check_pools(context: ValidationContext) -> Iterator[Problem]:
    """Problems of all pools, by name, and then of all of them together."""
    pools = {name: runs(pool) for name, pool in sorted(context.profile.pools.items())}
    points = _Points(context)
    for name, held in pools.items():
        pool = context.profile.pools[name]
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


def check_written(profile: Profile) -> Iterator[Problem]:
    """What is written beside an address that is followed. For the profile before that is filled in."""
    for name, pool in sorted(profile.pools.items()):
        for other in ("address", "exclude"):
            if pool.interface_address is not None and getattr(pool, other):
                reason = "can't be given beside interface-address; expected one of them"
                yield Problem(("pools", name, other), "", reason)


def _check_followed(context: ValidationContext, path: Path, pool: Pool) -> Iterator[Problem]:
    """A pool that is whatever address an interface has."""
    interface = str(pool.interface_address)
    yield from context.check_outside((*path, "interface-address"), interface)
    if context.facts is not None and not pool.address:
        reason = "has no address at the moment; flows of this pool are dropped until it has"
        yield Problem((*path, "interface-address"), interface, reason, "warning")


def _check_statements(path: Path, pool: Pool) -> Iterator[Problem]:
    """Statements of one pool that repeat each other, do nothing, or can't be."""
    taken = Spans()
    for given in pool.address:
        if _NEVER_A_SOURCE.meets(given):
            reason = "holds addresses that are nobody's; expected unicast addresses only"
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
    """One sweep over all runs in order: a run overlaps if it begins before another pool's has ended."""
    ordered = sorted(
        (int(run.first), int(run.last), run, name) for name, held in pools.items() for run in held
    )
    told: set[frozenset[str]] = set()
    reach, farthest, owner = -1, None, ""
    for first, last, run, name in ordered:
        pair = frozenset((owner, name))
        if first <= reach and name != owner and pair not in told:
            told.add(pair)
            reason = f"overlaps {farthest} of pool {owner}; expected each address in one pool only"
            yield Problem(("pools", name, "address"), str(run), reason)
        if last > reach:
            reach, farthest, owner = last, run, name


class _Points:
    """Single addresses that a pool had better not hold, in order, each with the reason."""

    def __init__(self, context: ValidationContext) -> None:
        self._own = sorted(
            (address, f"is this box's own, on {name}") for address, name in context.own.items()
        )
        self._hops = sorted(dict(_next_hops(context)).items())
        self._edges = sorted(_subnet_edges(context))

    def check(self, path: Path, pool: Pool, held: Runs) -> Iterator[Problem]:
        if pool.unmatched == "drop":
            for address, reason in _within(held, self._own):
                expected = "expected it excluded, or unmatched stack: the box would be cut off"
                yield Problem(path, address, f"{reason}; {expected}")
        for address, reason in _within(held, self._hops):
            yield Problem(path, address, f"{reason}; expected it excluded")
        for address, reason in _within(held, self._edges):
            yield Problem(path, address, f"{reason}; expected it excluded", "warning")


def _within(held: Runs, points: list[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Those of the points that lie in the runs: address and reason."""
    for run in held:
        begin = bisect_left(points, (int(run.first), ""))
        end = bisect_left(points, (int(run.last) + 1, ""))
        for number, reason in points[begin:end]:
            yield str(Address(number)), reason


def _next_hops(context: ValidationContext) -> Iterator[tuple[int, str]]:
    for name, link in sorted(context.profile.links.items(), reverse=True):
        if link.next_hop is not None:
            yield int(link.next_hop), f"is the next hop of link {name}"


def _subnet_edges(context: ValidationContext) -> Iterator[tuple[int, str]]:
    for subnet in context.subnets(sorted(context.profile.interfaces)):
        if subnet.num_addresses > 2:
            yield int(subnet.network_address), f"is the network address of {subnet}"
            yield int(subnet.broadcast_address), f"is the broadcast address of {subnet}"
