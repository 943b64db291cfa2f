# SPDX-License-Identifier: Apache-2.0
"""Which audit entries are kept when there are too many: each user has an equal share, the newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from snatsh.api.codec import Malformed, decode
from snatsh.api.system import AuditEntry

Parsed = tuple[AuditEntry, bytes]


def parsed(lines: Sequence[bytes]) -> list[Parsed]:
    """The entries that can be read, with their lines: a full disk may leave half a line."""
    found = []
    for line in lines:
        try:
            found.append((decode(line, AuditEntry), line))
        except Malformed:
            continue
    return found


def kept(entries: Sequence[Parsed], budget: int, cost: Callable[[bytes], int], since: str) -> list[Parsed]:
    """Return the entries for which there is room, in their order.

    Entries before `since` go first. Then who has the most loses the oldest: a user with little keeps
    everything, whatever another one does.
    """
    costs = [cost(line) for _, line in entries]
    excess, first = sum(costs) - budget, 0
    while excess > 0 and first < len(entries) and entries[first][0].time < since:
        excess -= costs[first]
        first += 1
    taken: dict[int, int] = defaultdict(int)
    for (entry, _), price in zip(entries[first:], costs[first:], strict=True):
        taken[entry.uid] += price
    share = _share(taken, budget)
    left = {uid: min(used, share) for uid, used in taken.items()}
    chosen = []
    for (entry, line), price in zip(reversed(entries[first:]), reversed(costs[first:]), strict=True):
        left[entry.uid] -= price
        if left[entry.uid] >= 0:
            chosen.append((entry, line))
    return chosen[::-1]


def _share(taken: dict[int, int], budget: int) -> int:
    """The most that each may have so that all together have the budget."""
    room = budget
    amounts = sorted(taken.values())
    for done, amount in enumerate(amounts):
        share = room // (len(amounts) - done)
        if amount > share:
            return share
        room -= amount
    return budget
