# SPDX-License-Identifier: Apache-2.0
"""Rules that are tried in order, as rules of which the most exact wins.

Where an earlier rule and a later, more exact one meet, a rule for what both match is added that does as the
earlier one. For every packet the most exact rule then does what the first one did: if it did not, the two
would have such a rule between them, more exact than both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from snatsh.interop.intermediate import Finding, ImportedMatch, SourceRule
from snatsh.model.errors import FormError
from snatsh.model.values import Prefix

MAX_RULES = 10_000
_FIELDS = ("protocol", "out_interface", "next_hop", "fwmark")

Ranked = tuple[int, SourceRule]
"""A rule and its place in the order; what was added for a rule has the rule's."""


def resolve(rules: tuple[SourceRule, ...]) -> tuple[list[SourceRule], list[Finding]]:
    """In the order of their numbers; FormError where it would be too many."""
    findings: list[Finding] = []
    kept = _Kept()
    # for each rule, the ones before it; what was added is looked at like any other
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
            place = rule.place
            reason = (
                f"{len(rules):,} ordered rules would be more than {MAX_RULES:,} here, the most of an import"
            )
            raise FormError(reason, place.line, place.column)
        if twin is not None:
            kept.remove(twin)
            if twin[1] in rules:
                findings.append(_hidden(twin[1], rule))
        for pair in kept.that_may_meet((rank, rule)):
            found = _between((rank, rule), pair)
            if found is not None:
                waiting.append(found)
        kept.add((rank, rule))
        by_match[rule.match] = (rank, rule)
    return [rule for _, rule in sorted(kept.pairs, key=lambda pair: pair[0])], findings


class _Kept:
    """The rules so far, and in columns what tells which of them may need another before a new one."""

    def __init__(self) -> None:
        self._rows: list[Ranked | None] = []
        self._at: dict[ImportedMatch, int] = {}
        self._values: dict[object, int] = {None: 0}
        self._columns: NDArray[np.int64] = np.zeros((6 + len(_FIELDS), 1024), dtype=np.int64)

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

    def that_may_meet(self, pair: Ranked) -> list[Ranked]:
        """Those whose packets it may share, and that the order and the exactness rank differently."""
        rank, exactness, first, last, to_first, to_last, *fields = self._row(pair)
        ranks, exactnesses, firsts, lasts, to_firsts, to_lasts, *others = self._columns[:, : len(self._rows)]
        meet = (firsts <= last) & (lasts >= first) & (to_firsts <= to_last) & (to_lasts >= to_first)
        meet &= np.where(ranks >= rank, exactnesses > exactness, exactnesses < exactness)
        for value, column in zip(fields, others, strict=True):
            if value:
                meet &= (column == 0) | (column == value)
        found = (self._rows[at] for at in np.flatnonzero(meet))
        return [one for one in found if one is not None]

    def _row(self, pair: Ranked) -> list[int]:
        rank, rule = pair
        source, destination, others = _exactness(rule.match)
        ends = [end for prefix in (rule.match.source, rule.match.destination) for end in _ends(prefix)]
        fields = (getattr(rule.match, name) for name in _FIELDS)
        known = [self._values.setdefault(field, len(self._values)) for field in fields]
        return [rank, (source << 6 | destination) << 3 | others, *ends, *known]


def _ends(prefix: Prefix | None) -> tuple[int, int]:
    """The first and the last address; all there are for None."""
    if prefix is None:
        return 0, 0xFFFFFFFF
    return int(prefix.network_address), int(prefix.broadcast_address)


def _between(one: Ranked, other: Ranked) -> Ranked | None:
    """The rule that two need between them, if they do."""
    (rank, first), (_, later) = sorted((one, other), key=lambda pair: pair[0])
    if first.outcome == later.outcome or _exactness(later.match) <= _exactness(first.match):
        return None
    both = intersection(first.match, later.match)
    return None if both is None else (rank, replace(first, match=both))


def _exactness(match: ImportedMatch) -> tuple[int, int, int]:
    others = sum(getattr(match, name) is not None for name in _FIELDS)
    return _length(match.source), _length(match.destination), others


def _length(prefix: Prefix | None) -> int:
    return prefix.prefixlen if prefix else 0


def intersection(one: ImportedMatch, other: ImportedMatch) -> ImportedMatch | None:
    """What both match; None where no packet is."""
    fields = {}
    for name in ("source", "destination", *_FIELDS):
        a, b = getattr(one, name), getattr(other, name)
        if a is None or b is None:
            fields[name] = b if a is None else a
        elif isinstance(a, Prefix) and isinstance(b, Prefix):
            if not a.overlaps(b):
                return None
            fields[name] = max(a, b, key=_length)
        elif a != b:
            return None
        else:
            fields[name] = a
    return ImportedMatch(**fields)


def _hidden(rule: SourceRule, twin: SourceRule) -> Finding:
    reason = f"matches nothing that line {twin.place.line} has not matched before, there as here; left out"
    return Finding(rule.place, "differs", reason)
