"""Rules that are tried in order, as rules of which the most exact wins.

Where an earlier rule and a later, more exact one meet, a rule for what both match is added that does as the
earlier one. For every packet the most exact rule then does what the first one did: if it did not, the two
would have such a rule between them, more exact than both.
"""

from __future__ import annotations

from dataclasses import replace

from snatsh.interop.intermediate import Finding, Match, SourceRule
from snatsh.model.errors import FormError
from snatsh.model.values import Prefix

MAX_RULES = 2048
_FIELDS = ("protocol", "out_interface", "next_hop", "fwmark")


def resolve(rules: tuple[SourceRule, ...]) -> tuple[list[SourceRule], list[Finding]]:
    """In the order of their numbers; FormError where it would be too many."""
    findings: list[Finding] = []
    kept: list[tuple[int, SourceRule]] = []
    # for each rule, the ones before it; what was added is looked at like any other
    waiting = [(rank, rule) for rank, rule in reversed(list(enumerate(rules)))]
    by_match: dict[Match, tuple[int, SourceRule]] = {}
    while waiting:
        rank, rule = waiting.pop()
        twin = by_match.get(rule.match)
        if twin is not None and twin[0] <= rank:
            if rule in rules:
                findings.append(_hidden(rule, twin[1]))
            continue
        if len(by_match) >= MAX_RULES:
            place = rule.place
            raise FormError(f"would be more than {MAX_RULES:,} rules here", place.line, place.column)
        if twin is not None:
            kept.remove(twin)
            if twin[1] in rules:
                findings.append(_hidden(twin[1], rule))
        for pair in kept:
            found = _between((rank, rule), pair)
            if found is not None:
                waiting.append(found)
        kept.append((rank, rule))
        by_match[rule.match] = (rank, rule)
    kept.sort(key=lambda pair: pair[0])
    return [rule for _, rule in kept], findings


def _between(one: tuple[int, SourceRule], other: tuple[int, SourceRule]) -> tuple[int, SourceRule] | None:
    """The rule that two need between them, if they do."""
    (rank, first), (_, later) = sorted((one, other), key=lambda pair: pair[0])
    if first.outcome == later.outcome or _exactness(later.match) <= _exactness(first.match):
        return None
    both = intersection(first.match, later.match)
    return None if both is None else (rank, replace(first, match=both))


def _exactness(match: Match) -> tuple[int, int, int]:
    others = sum(getattr(match, name) is not None for name in _FIELDS)
    return _length(match.source), _length(match.destination), others


def _length(prefix: Prefix | None) -> int:
    return prefix.prefixlen if prefix else 0


def intersection(one: Match, other: Match) -> Match | None:
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
    return Match(**fields)


def _hidden(rule: SourceRule, twin: SourceRule) -> Finding:
    reason = f"matches nothing that line {twin.place.line} has not matched before, there as here; left out"
    return Finding(rule.place, "differs", reason)
