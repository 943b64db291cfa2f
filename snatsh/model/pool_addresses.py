# SPDX-License-Identifier: Apache-2.0
"""The addresses of a pool in order, over which the index of an algorithm counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.values import Address, AddressRange


def runs(pool: Pool) -> tuple[AddressRange, ...]:
    """The pool's addresses as ranges in the order written, without duplicates and excluded ones."""
    taken = Spans(pool.exclude)
    return tuple(run for given in pool.address for run in taken.add(given))


def with_interface_addresses(profile: Profile, facts: Facts | None) -> Profile:
    """The profile with the current address of each pool that follows an interface.

    The kernel answers ARP for it, and traffic of no flow is local. A pool is empty while its interface has no
    address, and without facts.
    """
    follows = {name: pool.interface_address for name, pool in profile.pools.items() if pool.interface_address}
    if not follows:
        return profile
    pools = dict(profile.pools)
    for name, interface in follows.items():
        known = facts.interfaces.get(interface) if facts is not None else None
        own = tuple(AddressRange(address.ip, address.ip) for address in known.addresses[:1]) if known else ()
        current = {"address": own, "announce": "none", "unmatched": "stack"}
        pools[name] = profile.pools[name].model_copy(update=current)
    return profile.model_copy(update={"pools": pools})


class Spans:
    """A set of addresses, kept as sorted spans that do not overlap."""

    def __init__(self, given: Iterable[AddressRange] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for run in given:
            self.add(run)

    def add(self, run: AddressRange) -> list[AddressRange]:
        """Add a range; return the parts of it that are new."""
        first, last = int(run.first), int(run.last)
        begin = end = bisect_left(self._lasts, first)
        fresh = []
        at = first
        while end < len(self._firsts) and self._firsts[end] <= last:
            if at < self._firsts[end]:
                fresh.append(_range(at, self._firsts[end] - 1))
            at = self._lasts[end] + 1
            end += 1
        if at <= last:
            fresh.append(_range(at, last))
        if begin < end:
            first, last = min(first, self._firsts[begin]), max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]
        return fresh

    @property
    def ranges(self) -> list[AddressRange]:
        return [_range(first, last) for first, last in zip(self._firsts, self._lasts, strict=True)]

    def meets(self, run: AddressRange) -> bool:
        """Whether any address of the range is in the set."""
        index = bisect_left(self._lasts, int(run.first))
        return index < len(self._firsts) and self._firsts[index] <= int(run.last)

    def holds(self, run: AddressRange) -> bool:
        """Whether the whole range lies in one span. Adjacent spans do not count as one."""
        index = bisect_left(self._lasts, int(run.last))
        return index < len(self._firsts) and self._firsts[index] <= int(run.first)


def _range(first: int, last: int) -> AddressRange:
    return AddressRange(Address(first), Address(last))
