# SPDX-License-Identifier: Apache-2.0
"""Rewrites rules of which the first match wins as rules of which the most specific wins.

Where an earlier rule overlaps a later, more specific one, a rule for the intersection is added with the
action of the earlier one. For every packet the most specific rule then has the action of the first match: if
it did not, the two rules would have such an intersection, more specific than both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from snatsh.interop.intermediate import EXACT_FIELDS, MATCH_FIELDS, Finding, ImportedMatch, SourceRule
from snatsh.model.errors import FormError
from snatsh.model.values import ANY_PREFIX, Prefix

MAX_RULES = 10_000

Ranked = tuple[int, SourceRule]
"""A rule and its rank in the order; a rule that was added has the rank of the one it was added for."""


def resolve(rules: tuple[SourceRule, ...]) -> tuple[list[SourceRule], list[Finding]]:
    """The rules in order, and those that never match. FormError when there would be too many."""
    findings: list[Finding] = []
    kept = _Kept()
    # Each rule is compared with those before it; added rules like any other.
    waiting = [(rank, rule) for rank, rule in reversed(list(enumerate(rules)))]
    by_match: dict[ImportedMatch, Ranked] = {}
    while waiting:
        rank, rule = waiting.pop()
        twin = by_match.get(rule.match)
        if twin is not None and twin[0] <= rank:
            if rule in rules:
                findings.append(_hidden(rule, twin[1]))
            continue
        if len(by_match) >= MAX_RULES:
            location = rule.location
            reason = f"{len(rules):,} first-match rules become more than {MAX_RULES:,} here, the import limit"
            raise FormError(reason, location.line, location.column)
        if twin is not None:
            kept.remove(twin)
            if twin[1] in rules:
                findings.append(_hidden(twin[1], rule))
        for pair in kept.that_may_need_one((rank, rule)):
            added = _added_for((rank, rule), pair)
            if added is not None:
                waiting.append(added)
        kept.add((rank, rule))
        by_match[rule.match] = (rank, rule)
    return [rule for _, rule in sorted(kept.pairs, key=lambda pair: pair[0])], findings


class _Kept:
    """The rules so far; columns of numbers tell which of them may need a rule added for a new one."""

    def __init__(self) -> None:
        self._rows: list[Ranked | None] = []
        self._at: dict[ImportedMatch, int] = {}
        self._values: dict[object, int] = {None: 0}
        self._columns: NDArray[np.int64] = np.zeros((6 + len(EXACT_FIELDS), 1024), dtype=np.int64)

    @property
    def pairs(self) -> Iterator[Ranked]:
        return (pair for pair in self._rows if pair is not None)

    def add(self, pair: Ranked) -> None:
        at = len(self._rows)
        if at == self._columns.shape[1]:
            self._columns = np.hstack([self._columns, np.zeros_like(self._columns)])
        self._columns[:, at] = self._row(pair)
        self._rows.append(pair)
        self._at[pair[1].match] = at

    def remove(self, pair: Ranked) -> None:
        self._rows[self._at.pop(pair[1].match)] = None

    def that_may_need_one(self, pair: Ranked) -> list[Ranked]:
        """Those that overlap it, and that order and precedence rank differently."""
        rank, precedence, first, last, to_first, to_last, *fields = self._row(pair)
        ranks, precedences, firsts, lasts, to_firsts, to_lasts, *others = self._columns[:, : len(self._rows)]
        meet = (firsts <= last) & (lasts >= first) & (to_firsts <= to_last) & (to_lasts >= to_first)
        meet &= np.where(ranks >= rank, precedences > precedence, precedences < precedence)
        for value, column in zip(fields, others, strict=True):
            if value:
                meet &= (column == 0) | (column == value)
        found = (self._rows[at] for at in np.flatnonzero(meet))
        return [one for one in found if one is not None]

    def _row(self, pair: Ranked) -> list[int]:
        rank, rule = pair
        source, destination, others = rule.match.precedence
        ends = [end for prefix in (rule.match.source, rule.match.destination) for end in _ends(prefix)]
        fields = (getattr(rule.match, name) for name in EXACT_FIELDS)
        known = [self._values.setdefault(field, len(self._values)) for field in fields]
        return [rank, (source << 8 | destination) << 8 | others, *ends, *known]


def _ends(prefix: Prefix | None) -> tuple[int, int]:
    """The first and the last address."""
    held = prefix or ANY_PREFIX
    return int(held.network_address), int(held.broadcast_address)


def _added_for(one: Ranked, other: Ranked) -> Ranked | None:
    """The rule that the two need for their intersection, if any."""
    (rank, first), (_, later) = sorted((one, other), key=lambda pair: pair[0])
    if first.action == later.action or later.match.precedence <= first.match.precedence:
        return None
    both = intersection(first.match, later.match)
    return None if both is None else (rank, replace(first, match=both))


def intersection(one: ImportedMatch, other: ImportedMatch) -> ImportedMatch | None:
    """What both match; None when no packet matches both."""
    fields = {}
    for name in MATCH_FIELDS:
        a, b = getattr(one, name), getattr(other, name)
        if a is None or b is None:
            fields[name] = b if a is None else a
        elif isinstance(a, Prefix) and isinstance(b, Prefix):
            if not a.overlaps(b):
                return None
            fields[name] = max(a, b, key=lambda prefix: prefix.prefixlen)
        elif a != b:
            return None
        else:
            fields[name] = a
    return ImportedMatch(**fields)


def _hidden(rule: SourceRule, twin: SourceRule) -> Finding:
    reason = f"never matches, there or here: line {twin.location.line} has the same match; not imported"
    return Finding(rule.location, "differs", reason)
