# SPDX-License-Identifier: Apache-2.0
"""Takes addresses out of ARP, out of the choice for new flows, or out of the pools of a profile. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from snatsh.compile.image import Image, PoolAddress
from snatsh.model.pool_addresses import Spans
from snatsh.model.schema.profile import Profile
from snatsh.model.values import Address, AddressRange


def without_addresses(profile: Profile, taken: frozenset[Address]) -> Profile:
    """The profile whose pools have none of these addresses."""
    if not taken:
        return profile
    pools = {}
    for name, pool in profile.pools.items():
        spans = Spans(pool.address)
        held = tuple(one for one in map(_single, sorted(taken)) if spans.meets(one))
        pools[name] = pool.model_copy(update={"exclude": (*pool.exclude, *held)}) if held else pool
    return profile.model_copy(update={"pools": pools})


def drained(image: Image, addresses: frozenset[Address]) -> Image:
    """The image that gives no new flows to these addresses."""
    if not addresses:
        return image
    given = list(map(_single, sorted(addresses)))
    pools = []
    for pool in image.pools:
        spans = Spans(pool.runs)
        pools.append(replace(pool, drained=tuple(one for one in given if spans.meets(one))))
    return replace(image, pools=tuple(pools))


def silenced(image: Image, quiet: Iterable[tuple[int, int]]) -> Image:
    """The image without answers to ARP for addresses on interfaces, both as numbers."""
    by_interface: dict[int, list[int]] = {}
    for interface, address in sorted(quiet):
        by_interface.setdefault(interface, []).append(address)
    if not by_interface:
        return image
    parts = (
        part for entry in image.pool_addresses for part in _split(entry, by_interface.get(entry.announce, []))
    )
    return replace(image, pool_addresses=tuple(parts))


def _split(entry: PoolAddress, quiet: Sequence[int]) -> Iterator[PoolAddress]:
    first, last = int(entry.prefix[0]), int(entry.prefix[-1])
    within = quiet[bisect_left(quiet, first) : bisect_right(quiet, last)]
    if not within:
        yield entry
        return
    at = first
    for begin, end in _runs(within):
        yield from _pieces(entry, at, begin - 1)
        yield from _pieces(replace(entry, announce=0), begin, end)
        at = end + 1
    yield from _pieces(entry, at, last)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Consecutive numbers, of sorted ones, as first and last."""
    begin = before = numbers[0]
    for number in numbers[1:]:
        if number != before + 1:
            yield begin, before
            begin = number
        before = number
    yield begin, before


def _pieces(entry: PoolAddress, first: int, last: int) -> Iterator[PoolAddress]:
    if first <= last:
        run = AddressRange(Address(first), Address(last))
        yield from (replace(entry, prefix=prefix) for prefix in run.prefixes)


def _single(address: Address) -> AddressRange:
    return AddressRange(address, address)
