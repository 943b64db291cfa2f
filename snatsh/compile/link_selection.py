# SPDX-License-Identifier: Apache-2.0
"""Selects the links and pools of each rule's new flows while some links are down. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from snatsh.compile.weighted_buckets import LINK_BUCKETS, fill
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop
from snatsh.model.pool_addresses import runs, with_interface_addresses
from snatsh.model.schema.profile import LinkGroup, Profile, Rule
from snatsh.model.values import BROADCAST, Address

MAX_LINK_BUCKETS = 32_768
"""Buckets of all rules that share links (bpf/rules.h)."""

NOWHERE = BROADCAST
"""A next hop that is never resolved, for a link whose interface is missing and with it its next hop."""

__all__ = [
    "LINK_BUCKETS",
    "MAX_LINK_BUCKETS",
    "LinkChoice",
    "LinkSelection",
    "link_of",
    "links_by_route",
    "select_links",
]


@dataclass(frozen=True, slots=True)
class LinkChoice:
    """A link and a pool for new flows. link: None when unknown. redirect: None follows the route."""

    link: str | None
    pool: str
    redirect: Address | None


@dataclass(frozen=True, slots=True)
class LinkSelection:
    """The links of a rule's new flows. buckets: the number of the choice for each hash, empty for one choice.

    instead_of: links that are down and would carry these flows. by_flow: spread by flow, not by subscriber.
    """

    choices: tuple[LinkChoice, ...]
    instead_of: tuple[str, ...] = ()
    buckets: tuple[int, ...] = ()
    by_flow: bool = False

    @property
    def text(self) -> str:
        """The links with their shares, for consoles."""
        parts = []
        for number, choice in enumerate(self.choices):
            name = choice.link or (str(choice.redirect) if choice.redirect else "by route")
            share = f" {self.buckets.count(number) / len(self.buckets):.0%}" if self.buckets else ""
            parts.append(f"{name}{share}")
        return ", ".join(parts)


def select_links(profile: Profile, facts: Facts, down: frozenset[str]) -> Mapping[int, LinkSelection]:
    """The links of each rule that translates, by number. A rule without a usable link keeps its own."""
    selector = _LinkSelector(profile, facts, down & profile.links.keys())
    found = {
        number: selector.select(rule) for number, rule in profile.rules.items() if rule.action == "translate"
    }
    return {number: selection for number, selection in found.items() if selection.choices}


def links_by_route(profile: Profile, facts: Facts) -> frozenset[str]:
    """The links that rules reach by routing. Unlike links that rules redirect to, they need a route."""
    profile = with_interface_addresses(profile, facts)
    selector = _LinkSelector(profile, facts, frozenset())
    by_route = (rule for rule in profile.rules.values() if rule.redirect is None and rule.group is None)
    return frozenset(name for rule in by_route if (name := selector.link_of(rule)) is not None)


def link_of(rule: Rule, profile: Profile, facts: Facts) -> str | None:
    """The link of a rule's flows: the one it redirects to, else that of the next hop or interface it matches,
    else that of its pool's subnet; None when none or several qualify."""
    hop = rule.redirect or rule.next_hop
    if hop is not None:
        return _by_hop(hop, profile, facts)
    interface = rule.out_interface or _home(rule.pool, profile, facts)
    on_it = [name for name, link in sorted(profile.links.items()) if link.interface == interface]
    return on_it[0] if len(on_it) == 1 else None


def _by_hop(hop: Address, profile: Profile, facts: Facts) -> str | None:
    return next((name for name, link in sorted(profile.links.items()) if next_hop(link, facts) == hop), None)


def _home(pool: str | None, profile: Profile, facts: Facts) -> str | None:
    """The outside interface whose subnet contains the first address of a pool."""
    if pool is None or pool not in profile.pools:
        return None
    first = next((run.first for run in runs(profile.pools[pool])), None)
    if first is None:
        return None
    return next(
        (
            name
            for name, interface in sorted(profile.interfaces.items())
            if interface.role == "outside" and name in facts.interfaces
            if facts.interfaces[name].on_link(first)
        ),
        None,
    )


class _LinkSelector:
    """Selects links for the rules of a profile. Lookups are cached: rules share pools and interfaces."""

    def __init__(self, profile: Profile, facts: Facts, down: frozenset[str]) -> None:
        self._profile = profile
        self._facts = facts
        self._down = down
        self._links: dict[tuple[object, ...], str | None] = {}
        self._hops = {name: next_hop(link, facts) for name, link in profile.links.items()}
        alive = {hop for name, hop in self._hops.items() if name not in down}
        self._dead_hops = {self._hops[name] for name in down} - alive - {None}

    def select(self, rule: Rule) -> LinkSelection:
        group = self._profile.link_groups.get(rule.group) if rule.group is not None else None
        if group is not None:
            return self._shared(rule, group)
        if rule.pool is None:
            return LinkSelection(())
        link = self.link_of(rule)
        for failed, failover in sorted(rule.failover.items()):
            if failed in self._down and failover.redirect not in self._dead_hops:
                by = _by_hop(failover.redirect, self._profile, self._facts) if failover.redirect else link
                choice = LinkChoice(by, failover.pool or rule.pool, failover.redirect or rule.redirect)
                return LinkSelection((choice,), (failed,))
        # A failover of the rule takes precedence over the backup of the link, even if it is down too.
        if link in self._down and link not in rule.failover:
            backup = self._backup_of(link)
            if backup is not None:
                return LinkSelection((self._by(backup, rule),), (link,))
        return LinkSelection((LinkChoice(link, rule.pool, rule.redirect),))

    def _shared(self, rule: Rule, group: LinkGroup) -> LinkSelection:
        members = {name: held for name, held in sorted(group.link.items()) if name in self._profile.links}
        weights = {name: held.weight for name, held in members.items() if held.use == "share"}
        lasts = {name: held.weight for name, held in members.items() if held.use == "last-resort"}
        up = set(weights) - self._down
        last_up = {name: weight for name, weight in lasts.items() if name not in self._down}
        if not up and last_up:
            down, weights, up = tuple(sorted(weights)), last_up, set(last_up)
        else:
            down = tuple(sorted(set(weights) - up))
        shares = fill(weights, frozenset(up) or frozenset(weights))
        used = sorted(set(shares))
        found = LinkSelection(
            tuple(self._by(name, rule) for name in used), down, by_flow=group.spread == "flow"
        )
        if len(used) > 1:
            return replace(found, buckets=tuple(used.index(name) for name in shares))
        return found

    def _by(self, name: str, rule: Rule) -> LinkChoice:
        link = self._profile.links[name]
        return LinkChoice(name, link.pool or rule.pool or "", self._hops[name] or NOWHERE)

    def _backup_of(self, link: str) -> str | None:
        """The first link in the chain of backups that is up."""
        seen = {link}
        backup = self._profile.links[link].backup
        while backup is not None and backup not in seen and backup in self._profile.links:
            if backup not in self._down:
                return backup
            seen.add(backup)
            backup = self._profile.links[backup].backup
        return None

    def link_of(self, rule: Rule) -> str | None:
        key = (rule.redirect, rule.next_hop, rule.out_interface, rule.pool)
        if key not in self._links:
            self._links[key] = link_of(rule, self._profile, self._facts)
        return self._links[key]
