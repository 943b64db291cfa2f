# SPDX-License-Identifier: Apache-2.0
"""What a commit would do to the traffic of now. Pure: of two profiles, the host and the flow table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.api.commits import EffectKind
from snatsh.compile.compiler import announced_by
from snatsh.compile.link_selection import select_links
from snatsh.datapath.flows import within
from snatsh.model.facts import Facts
from snatsh.model.pool_addresses import Spans, runs, with_interface_addresses
from snatsh.model.schema.profile import Pool, Profile
from snatsh.model.values import AddressRange

EXAMPLES = 3
"""Most addresses of subscribers that are named."""

Flows = NDArray[Any]
Runs = Sequence[AddressRange]


@dataclass(frozen=True, slots=True)
class Effect:
    """subject: a pool, an address or range, a link. count: of flows, addresses, subscribers or ports."""

    kind: EffectKind
    subject: str
    count: int
    text: str


def assess(before: Profile, after: Profile, facts: Facts, flows: Flows) -> tuple[Effect, ...]:
    """Tell what changes from one profile to the other. flows: FLOW_VIEW rows of the table as it is."""
    old, new = with_interface_addresses(before, facts), with_interface_addresses(after, facts)
    return (
        *_ended(old, new, flows),
        *_announcements(before, after, facts),
        *_uncovered(after, flows),
        *_unused(before, after, facts),
        *_shares(old, new, flows),
    )


def _ended(before: Profile, after: Profile, flows: Flows) -> Iterator[Effect]:
    """Flows whose address is in no pool any more: a commit ends them, and no others."""
    lost = flows[~_inside([run for pool in after.pools.values() for run in runs(pool)], flows["mapped"])]
    for name, pool in before.pools.items() if len(lost) else ():
        rules = lost["rule"][_inside(runs(pool), lost["mapped"])]
        for rule, count in zip(*np.unique(rules, return_counts=True), strict=True):
            what = f"ends {_some(int(count), 'flow')} of pool {name} by rule {rule}"
            yield Effect("flows-ended", name, int(count), f"{what}: their addresses are in no pool any more")


def _announcements(before: Profile, after: Profile, facts: Facts) -> Iterator[Effect]:
    names = {interface.index: name for name, interface in facts.interfaces.items()}
    old, new = (
        [(one.interface, one.run) for one in announced_by(profile, facts)] for profile in (before, after)
    )
    for index in sorted({index for index, _ in (*old, *new)}):
        mine, theirs = ([run for at, run in given if at == index] for given in (old, new))
        where = f"on {names.get(index, index)}"
        for run in _without(theirs, mine):
            yield Effect("announced", run.dashed, run.size, f"announces {run.dashed} {where}")
        for run in _without(mine, theirs):
            yield Effect("withdrawn", run.dashed, run.size, f"no longer announces {run.dashed} {where}")


def _uncovered(after: Profile, flows: Flows) -> Iterator[Effect]:
    """Subscribers with flows of whose next ones no rule matches the source: those are dropped."""
    if any(rule.source is None for rule in after.rules.values()):
        return
    sources = np.unique(flows["source"])
    spans = Spans(
        AddressRange(rule.source[0], rule.source[-1]) for rule in after.rules.values() if rule.source
    )
    left = sources[~_inside(spans.ranges, sources)]
    if len(left):
        named = ", ".join(str(IPv4Address(int(address))) for address in left[:EXAMPLES])
        more = ", ..." if len(left) > EXAMPLES else ""
        text = f"leaves {_some(len(left), 'subscriber')} with flows without a rule: {named}{more}"
        yield Effect("uncovered", named, len(left), text)


def _unused(before: Profile, after: Profile, facts: Facts) -> Iterator[Effect]:
    idle = after.links.keys() - _used(after, facts)
    was_idle = before.links.keys() - _used(before, facts)
    for name in sorted(idle - was_idle):
        yield Effect("link-unused", name, 0, f"leaves link {name} without rules that use it")


def _used(profile: Profile, facts: Facts) -> set[str]:
    choices = (
        one for selection in select_links(profile, facts, frozenset()).values() for one in selection.choices
    )
    used = {choice.link for choice in choices if choice.link is not None}
    used |= {name for rule in profile.rules.values() for name in rule.failover}
    used |= {name for group in profile.link_groups.values() for name in group.link}
    return used | {link.backup for link in profile.links.values() if link.backup is not None}


def _shares(before: Profile, after: Profile, flows: Flows) -> Iterator[Effect]:
    """Ports for each subscriber that holds flows of a pool, where a pool changes its size."""
    for name in before.pools.keys() & after.pools.keys():
        was, room = _room(before.pools[name]), _room(after.pools[name])
        if was == room:
            continue
        holders = len(np.unique(flows["source"][_inside(runs(before.pools[name]), flows["mapped"])]))
        if holders:
            share = room // holders
            text = (
                f"pool {name}: {share:,} ports of each protocol for each of {_some(holders, 'subscriber')}, "
                f"{was // holders:,} before"
            )
            yield Effect("ports-per-subscriber", name, share, text)


def _room(pool: Pool) -> int:
    return sum(run.size for run in runs(pool)) * pool.ports.size


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _without(given: Iterable[AddressRange], taken: Iterable[AddressRange]) -> list[AddressRange]:
    """The parts of these ranges that are in none of `taken`, neighboring ones joined."""
    spans, found = Spans(taken), list[AddressRange]()
    for part in sorted((part for run in given for part in spans.add(run)), key=lambda part: part.first):
        is_next = found and int(found[-1].last) + 1 == int(part.first)
        found.append(AddressRange(found.pop().first, part.last) if is_next else part)
    return found


def _inside(given: Runs, addresses: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each address is in one of these ranges, which do not overlap."""
    ordered = sorted(given, key=lambda run: run.first)
    ends = np.array([(int(run.first), int(run.last)) for run in ordered], dtype=np.uint64).reshape(-1, 2)
    return within(ends[:, 0], ends[:, 1], addresses)
