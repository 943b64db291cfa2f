# SPDX-License-Identifier: Apache-2.0
"""Validates rules: references, duplicate matches, and statements without effect."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.model.errors import Path, Problem
from snatsh.model.pool_addresses import Spans, runs
from snatsh.model.schema.profile import Rule, RuleMatch
from snatsh.model.validate.validation_context import ValidationContext, listed
from snatsh.model.values import ANY_PREFIX, Address, AddressRange

EXACT_FIELDS = tuple(name for name in RuleMatch.model_fields if name not in ("source", "destination"))
"""What a rule matches beside its prefixes."""

_ONLY_TRANSLATE = ("algorithm", "mapping", "filtering", "group", "redirect", "failover")


def check_rules(context: ValidationContext) -> Iterator[Problem]:
    """Problems of all rules, by number."""
    announcements = _Announcements(context)
    first: dict[object, int] = {}
    users: dict[str, tuple[int, str]] = {}
    for number, rule in sorted(context.profile.rules.items()):
        path = ("rules", str(number))
        yield from _check_match(context, path, rule)
        yield from _check_mark(context, path, rule)
        yield from _check_twin(path, number, rule, first)
        if rule.action == "translate":
            yield from _check_translation(context, path, rule)
            yield from announcements.check(number, rule)
            yield from _check_mapping(context, path, number, rule, users)
        else:
            yield from _check_idle(path, rule)


def _check_match(context: ValidationContext, path: Path, rule: Rule) -> Iterator[Problem]:
    if rule.out_interface is not None:
        yield from context.check_outside((*path, "out-interface"), rule.out_interface)
    if rule.next_hop is None:
        return
    for found in context.check_neighbor((*path, "next-hop"), rule.next_hop, rule.out_interface):
        # A route with `onlink` makes this possible.
        yield Problem(
            found.path, found.value, f"{found.reason}, otherwise the rule may never match", "warning"
        )


def _check_twin(path: Path, number: int, rule: Rule, first: dict[object, int]) -> Iterator[Problem]:
    match = (
        rule.source or ANY_PREFIX,
        rule.destination or ANY_PREFIX,
        *(getattr(rule, name) for name in EXACT_FIELDS),
    )
    twin = first.setdefault(match, number)
    if twin != number:
        reason = f"never matches: rule {twin} has the same match and a lower number"
        yield Problem(path, "", reason, "warning")


def _check_mark(context: ValidationContext, path: Path, rule: Rule) -> Iterator[Problem]:
    if rule.fwmark is None:
        return
    inside = {name: i.hook for name, i in context.profile.interfaces.items() if i.role == "inside"}
    if others := sorted(name for name, hook in inside.items() if hook != "tc"):
        reason = f"XDP has no marks; expected hook tc on every inside interface, missing on {listed(others)}"
        yield Problem((*path, "fwmark"), str(rule.fwmark), reason)


def _check_mapping(
    context: ValidationContext, path: Path, number: int, rule: Rule, users: dict[str, tuple[int, str]]
) -> Iterator[Problem]:
    """Check that endpoint-independent mappings, which own their ports, do not share a pool with others."""
    for pool in sorted(pools_of(context, rule)):
        other, mapping = users.setdefault(pool, (number, rule.mapping))
        if mapping != rule.mapping:
            reason = (
                f"rule {other} uses pool {pool} with mapping {mapping}; expected the same, or another pool"
            )
            yield Problem((*path, "mapping"), rule.mapping, reason)
    if rule.mapping == "endpoint-dependent" and rule.filtering != "address-and-port-dependent":
        reason = "needs mapping endpoint-independent"
        yield Problem((*path, "filtering"), rule.filtering, reason)


def _check_idle(path: Path, rule: Rule) -> Iterator[Problem]:
    """Statements without effect in a rule that does not translate."""
    if rule.pool is not None:
        reason = f"a rule with action {rule.action} takes no pool; expected none, or action translate"
        yield Problem((*path, "pool"), rule.pool, reason)
    for name in _ONLY_TRANSLATE:
        if name in rule.model_fields_set and getattr(rule, name):
            reason = f"has no effect with action {rule.action}; expected none"
            value = "" if name == "failover" else str(getattr(rule, name))
            yield Problem((*path, name), value, reason, "warning")


def _check_translation(context: ValidationContext, path: Path, rule: Rule) -> Iterator[Problem]:
    if rule.group is not None:
        yield from _check_group(context, path, rule)
    elif rule.pool is None:
        known = listed(sorted(context.profile.pools))
        yield Problem((*path, "pool"), "", f"missing; expected a pool: {known}")
    if rule.pool is not None:
        yield from context.check_pool((*path, "pool"), rule.pool)
    if rule.redirect is not None:
        yield from context.check_neighbor((*path, "redirect"), rule.redirect)
    for link, failover in sorted(rule.failover.items()):
        below = (*path, "failover", link)
        yield from context.check_link(below[:-1], link)
        if failover.redirect is not None:
            yield from context.check_neighbor((*below, "redirect"), failover.redirect)
        if failover.pool is not None:
            yield from context.check_pool((*below, "pool"), failover.pool)
        if failover.redirect is None and failover.pool is None:
            yield Problem(below, "", "changes nothing; expected a redirect or a pool", "warning")


def _check_group(context: ValidationContext, path: Path, rule: Rule) -> Iterator[Problem]:
    """Check a rule with a link group, whose links give each flow its next hop."""
    if rule.group not in context.profile.link_groups:
        known = sorted(context.profile.link_groups)
        yield context.unknown((*path, "group"), str(rule.group), "a link group of this profile", known)
        return
    group = context.profile.link_groups[rule.group]
    for name in ("redirect", "failover"):
        if getattr(rule, name):
            reason = "can't be given beside a group, whose links back up each other"
            yield Problem((*path, name), "" if name == "failover" else str(rule.redirect), reason)
    if group.spread == "flow" and rule.mapping == "endpoint-independent":
        reason = f"needs one link for each subscriber; expected spread subscriber in group {rule.group}"
        yield Problem((*path, "mapping"), rule.mapping, reason)
    links = context.profile.links
    bare = [name for name in sorted(group.link) if name in links and links[name].pool is None]
    if bare and rule.pool is None:
        reason = f"missing; expected a pool here or on each link of the group; {bare[0]} has none"
        yield Problem((*path, "pool"), "", reason)


def pools_of(context: ValidationContext, rule: Rule) -> set[str]:
    """All pools that a rule can take addresses from."""
    profile = context.profile
    found = {rule.pool, *(failover.pool for failover in rule.failover.values())}
    group = profile.link_groups.get(rule.group) if rule.group is not None else None
    if group is not None:
        found |= {profile.links[name].pool for name in group.link if name in profile.links}
    for name, link in profile.links.items():
        if rule.next_hop == link.next_hop or rule.out_interface == link.interface:
            found |= _pools_of_backups(context, name)
    return {pool for pool in found if pool is not None}


def _pools_of_backups(context: ValidationContext, link: str) -> set[str | None]:
    links, seen, found = context.profile.links, {link}, set[str | None]()
    backup = links[link].backup
    while backup is not None and backup not in seen and backup in links:
        seen.add(backup)
        found.add(links[backup].pool)
        backup = links[backup].backup
    return found


class _Announcements:
    """Checks that addresses announced by ARP are on-link where their rules' packets leave."""

    def __init__(self, context: ValidationContext) -> None:
        self._context = context
        self._done: set[tuple[str, tuple[str, ...]]] = set()
        self._runs: dict[str, tuple[AddressRange, ...]] = {}

    def check(self, number: int, rule: Rule) -> Iterator[Problem]:
        if self._context.facts is None:
            return
        yield from self._check_pool_of(number, rule, rule.pool, rule.redirect)
        for _, failover in sorted(rule.failover.items()):
            pool, redirect = failover.pool or rule.pool, failover.redirect or rule.redirect
            yield from self._check_pool_of(number, rule, pool, redirect)

    def _check_pool_of(
        self, number: int, rule: Rule, name: str | None, redirect: Address | None
    ) -> Iterator[Problem]:
        """Check a pool against the interfaces that the rule's packets leave by."""
        pool = self._context.profile.pools.get(name) if name is not None else None
        if name is None or pool is None or pool.announce == "none":
            return
        leaves_by = self._leaves_by(rule, redirect)
        if (name, leaves_by) in self._done:
            return
        self._done.add((name, leaves_by))
        subnets = self._context.subnets(leaves_by)
        on_link = Spans(AddressRange(subnet[0], subnet[-1]) for subnet in subnets)
        beyond = [run for run in self._runs.setdefault(name, runs(pool)) if not on_link.holds(run)]
        if subnets and beyond:
            where = f"{listed(map(str, subnets))}, on-link by {listed(leaves_by)} where rule {number} leaves"
            reason = f"is outside {where}; expected announce none, and a route to this gateway"
            yield Problem(("pools", name, "address"), str(beyond[0]), reason, "warning")

    def _leaves_by(self, rule: Rule, redirect: Address | None) -> tuple[str, ...]:
        """The interfaces that packets of the rule can leave by."""
        if redirect is not None:
            return self._context.on_link_by(redirect)
        if rule.out_interface is not None:
            return (rule.out_interface,)
        if rule.next_hop is not None:
            return self._context.on_link_by(rule.next_hop)
        return self._context.outside
