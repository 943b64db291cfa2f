# SPDX-License-Identifier: Apache-2.0
"""Distributes hash buckets among the links of a group by weight. Pure.

When a link goes down, only its buckets move to the others, so flows of other links stay where they are. When
it comes back, it gets the same buckets.
"""

from __future__ import annotations

from collections.abc import Mapping

LINK_BUCKETS = 128


def fill(weights: Mapping[str, int], up: frozenset[str]) -> tuple[str, ...]:
    """The link of each bucket. up: the usable links, at least one if there are weights."""
    if not weights:
        return ()
    whole = _in_turn(weights, LINK_BUCKETS)
    alive = {name: weight for name, weight in weights.items() if name in up}
    orphaned = sum(name not in alive for name in whole)
    heirs = iter(_in_turn(alive, orphaned))
    return tuple(name if name in alive else next(heirs) for name in whole)


def _in_turn(weights: Mapping[str, int], count: int) -> list[str]:
    """A number of turns in proportion to the weights, evenly mixed (smooth weighted round-robin)."""
    total = sum(weights.values())
    credit = dict.fromkeys(sorted(weights), 0)
    turns = []
    for _ in range(count):
        for name in credit:
            credit[name] += weights[name]
        chosen = max(credit, key=lambda name: credit[name])
        credit[chosen] -= total
        turns.append(chosen)
    return turns
