# SPDX-License-Identifier: Apache-2.0
"""A profile's rules in a dialect, with comments for what it can't express."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.interop import dialects
from snatsh.interop.intermediate import ALL_PORTS, MATCH_FIELDS, ImportedAction, ImportedMatch, NumberedRule
from snatsh.model.document.document import Document, to_profile
from snatsh.model.errors import FormError
from snatsh.model.schema.profile import Pool, Profile, Rule, RuleMatch
from snatsh.model.values import PortRange

KEEP_PORT_CLASS = ("iptables", "nft")
"""Dialects of netfilter, which does where no ports are given."""


def export(document: Document, dialect: str) -> str:
    """The rules as the other system reads them. FormError when the dialect is only read."""
    write = dialects.named(dialect).write
    if write is None:
        raise FormError(f"dialect {dialect} can be imported, not written")
    profile = to_profile(document)
    comments = [f"# {comment}" for comment in _not_exported(profile, dialect)]
    rules = [
        _numbered(profile, number) for number, rule in sorted(profile.rules.items()) if not _beyond(rule)
    ]
    return "\n".join([*comments, *write(rules)]) + "\n"


def _numbered(profile: Profile, number: int) -> NumberedRule:
    rule = profile.rules[number]
    pool = profile.pools.get(rule.pool or "")
    match = ImportedMatch(**{name: getattr(rule, name) for name in MATCH_FIELDS})
    if pool is None:
        return number, match, ImportedAction(rule.action, redirect=rule.redirect)
    action = ImportedAction(rule.action, pool.address, _ports(pool), rule.algorithm, rule.redirect)
    return number, match, action


def _beyond(rule: Rule) -> list[str]:
    """The match conditions of a rule that no dialect knows."""
    given = (name for name in RuleMatch.model_fields if getattr(rule, name) is not None)
    return [name.replace("_", "-") for name in given if name not in MATCH_FIELDS]


def _ports(pool: Pool) -> PortRange | None:
    """None for those that the other system uses where none are given."""
    usual = ALL_PORTS if pool.port_class == "preserve" else PortRange(1024, 65535)
    return None if pool.ports == usual else pool.ports


def _not_exported(profile: Profile, dialect: str) -> Iterator[str]:
    """What the dialect cannot express, nor any other."""
    for number, rule in sorted(profile.rules.items()):
        if beyond := _beyond(rule):
            yield f"rule {number} left out: no dialect matches {', '.join(beyond)}"
        if rule.failover or rule.group:
            yield f"rule {number}: its failover or group is left out"
        if rule.mapping == "endpoint-independent":
            yield f"rule {number}: endpoint-independent mapping is left out"
    for name, pool in sorted(profile.pools.items()):
        if pool.exclude:
            yield f"pool {name}: its excluded addresses are not left out"
        if pool.port_class == "preserve" and not (dialect in KEEP_PORT_CLASS and pool.ports == ALL_PORTS):
            yield f"pool {name}: its port class is left out"
    if profile.links or profile.link_groups:
        yield "links, link groups and their monitors are left out"
    if profile.timeouts.model_fields_set or profile.limits.model_fields_set:
        yield "timeouts and limits are left out"
