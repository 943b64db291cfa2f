# SPDX-License-Identifier: Apache-2.0
"""The addresses of a pool, in order: what a selection algorithm's index counts over."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.values import Address, AddressRange


def runs(pool: Pool) -> tuple[AddressRange, ...]:
    """The pool's addresses as runs in the order written, without what is excluded or came before."""
    taken = Spans(pool.exclude)
    return tuple(run for given in pool.address for run in taken.add(given))


def with_interface_addresses(profile: Profile, facts: Facts | None) -> Profile:
    """The profile with the pools that are an interface's address as they are now: the kernel answers for it,
    and what is no flow is the box's own. Empty while the interface has none, or the box is not known."""
    follows = {name: pool.interface_address for name, pool in profile.pools.items() if pool.interface_address}
    if not follows:
        return profile
    pools = dict(profile.pools)
    for name, interface in follows.items():
        known = facts.interfaces.get(interface) if facts is not None else None
        own = tuple(AddressRange(address.ip, address.ip) for address in known.addresses[:1]) if known else ()
        as_it_is = {"address": own, "announce": "none", "unmatched": "stack"}
        pools[name] = profile.pools[name].model_copy(update=as_it_is)
    return profile.model_copy(update={"pools": pools})


class Spans:
    """A set of addresses, kept as sorted spans that do not touch each other's addresses."""

    def __init__(self, given: Iterable[AddressRange] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for run in given:
            self.add(run)

    def add(self, run: AddressRange) -> list[AddressRange]:
        """Take the run's addresses in; what of it was not there before."""
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

    def meets(self, run: AddressRange) -> bool:
        """Whether any address of the run is there."""
        index = bisect_left(self._lasts, int(run.first))
        return index < len(self._firsts) and self._firsts[index] <= int(run.last)

    def holds(self, run: AddressRange) -> bool:
        """Whether the whole run lies in one span; spans side by side are not looked at together."""
        index = bisect_left(self._lasts, int(run.last))
        return index < len(self._firsts) and self._firsts[index] <= int(run.first)


def _range(first: int, last: int) -> AddressRange:
    return AddressRange(Address(first), Address(last))
