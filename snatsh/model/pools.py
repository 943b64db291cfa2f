"""The addresses of a pool, in order: what a selection algorithm's index counts over."""

from __future__ import annotations

from collections.abc import Iterable

from snatsh.model.schema import Pool
from snatsh.model.values import Address, AddressRange


def subtract(run: AddressRange, holes: Iterable[AddressRange]) -> list[AddressRange]:
    """What is left of `run` without `holes`, in order."""
    left = [run]
    for hole in holes:
        left = [part for piece in left for part in _without(piece, hole)]
    return left


def _without(run: AddressRange, hole: AddressRange) -> list[AddressRange]:
    if hole.last < run.first or run.last < hole.first:
        return [run]
    parts = []
    if run.first < hole.first:
        parts.append(AddressRange(run.first, Address(int(hole.first) - 1)))
    if hole.last < run.last:
        parts.append(AddressRange(Address(int(hole.last) + 1), run.last))
    return parts


def runs(pool: Pool) -> tuple[AddressRange, ...]:
    """The pool's addresses as runs in the order written, without what is excluded or came before."""
    found: list[AddressRange] = []
    for run in pool.address:
        found += subtract(run, [*pool.exclude, *found])
    return tuple(found)
