"""By which links the new flows of a rule go, and with which pools, while some links are down. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snatsh.model.facts import Facts
from snatsh.model.pools import runs
from snatsh.model.schema import Profile, Rule
from snatsh.model.values import Address


@dataclass(frozen=True, slots=True)
class Way:
    """link: that carries the flows, None where the rule does not say. redirect: None follows the route.
    instead_of: the link that is down and whose flows these would be."""

    link: str | None
    pool: str
    redirect: Address | None
    instead_of: str | None = None


def ways_in_force(profile: Profile, facts: Facts, down: frozenset[str]) -> Mapping[int, Way]:
    """Of every rule that translates, by number. A rule without a way that works keeps the one it names."""
    around = _Around(profile, facts, down & profile.links.keys())
    return {
        number: around.way(rule)
        for number, rule in profile.rules.items()
        if rule.action == "translate" and rule.pool is not None
    }


def link_of(rule: Rule, profile: Profile, facts: Facts) -> str | None:
    """The link that a rule's flows take, as far as the rule says: the one it redirects to, else the next
    hop or interface it asks for, else the one its pool's addresses belong to."""
    hop = rule.redirect or rule.next_hop
    if hop is not None:
        return _by_hop(hop, profile)
    interface = rule.out_interface or _home(rule.pool, profile, facts)
    on_it = [name for name, link in sorted(profile.links.items()) if link.interface == interface]
    # Of several links on an interface none is more the rule's own than another.
    return on_it[0] if len(on_it) == 1 else None


def _by_hop(hop: Address, profile: Profile) -> str | None:
    return next((name for name, link in sorted(profile.links.items()) if link.next_hop == hop), None)


def _home(pool: str | None, profile: Profile, facts: Facts) -> str | None:
    """The outside interface whose subnet holds the first address of a pool."""
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


class _Around:
    """A profile on a box with links down. Remembers what it found: rules share pools and interfaces."""

    def __init__(self, profile: Profile, facts: Facts, down: frozenset[str]) -> None:
        self._profile = profile
        self._facts = facts
        self._down = down
        self._links: dict[tuple[object, ...], str | None] = {}
        self._dead_hops = {profile.links[name].next_hop for name in down} - {
            link.next_hop for name, link in profile.links.items() if name not in down
        }

    def way(self, rule: Rule) -> Way:
        pool = rule.pool or ""
        link = self._link_of(rule)
        for failed, failover in sorted(rule.failover.items()):
            if failed in self._down and failover.redirect not in self._dead_hops:
                by = _by_hop(failover.redirect, self._profile) if failover.redirect else link
                return Way(by, failover.pool or pool, failover.redirect or rule.redirect, failed)
        written = Way(link, pool, rule.redirect)
        # What a rule says of a link itself counts, even when that way is dead as well.
        if link is None or link not in self._down or link in rule.failover:
            return written
        backup = self._backup_of(link)
        if backup is None:
            return written
        found = self._profile.links[backup]
        return Way(backup, found.pool or pool, found.next_hop, link)

    def _backup_of(self, link: str) -> str | None:
        """The first link along the chain of backups that is up."""
        seen = {link}
        backup = self._profile.links[link].backup
        while backup is not None and backup not in seen and backup in self._profile.links:
            if backup not in self._down:
                return backup
            seen.add(backup)
            backup = self._profile.links[backup].backup
        return None

    def _link_of(self, rule: Rule) -> str | None:
        key = (rule.redirect, rule.next_hop, rule.out_interface, rule.pool)
        if key not in self._links:
            self._links[key] = link_of(rule, self._profile, self._facts)
        return self._links[key]
