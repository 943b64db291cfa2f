# SPDX-License-Identifier: Apache-2.0
"""Validates links with their monitors and backups, and link groups."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.model.errors import Path, Problem
from snatsh.model.next_hops import next_hop
from snatsh.model.schema.profile import Link, Monitor
from snatsh.model.validate.validation_context import ValidationContext
from snatsh.model.values import Address

PROBES = ("icmp", "arp", "tcp", "http")


def check_links(context: ValidationContext) -> Iterator[Problem]:
    """Problems of all links, by name."""
    first: dict[tuple[str, object], str] = {}
    for name, link in sorted(context.profile.links.items()):
        path = ("links", name)
        yield from context.check_outside((*path, "interface"), link.interface)
        yield from _check_next_hop(context, (*path, "next-hop"), link)
        same = first.setdefault((link.interface, link.next_hop), name)
        if same != name:
            reason = f"has the same interface and next hop as link {same}; they go up and down as one"
            yield Problem((*path, "next-hop"), str(link.next_hop or ""), reason, "warning")
        yield from _check_route(context, path, name, link)
        if link.monitor is not None:
            yield from _check_monitor((*path, "monitor"), link.monitor)
            known = context.facts.interfaces.get(link.interface) if context.facts else None
            if link.monitor.arp is not None and known is not None and known.framing == "none":
                reason = f"{link.interface} has no ARP; expected icmp, tcp or http"
                yield Problem((*path, "monitor", "arp"), "", reason)
        yield from _check_backup(context, path, name, link)


def check_groups(context: ValidationContext) -> Iterator[Problem]:
    """Problems of all link groups, by name."""
    for name, group in sorted(context.profile.link_groups.items()):
        path = ("link-groups", name)
        for link in sorted(group.link):
            yield from context.check_link((*path, "link"), link)
        if not any(member.use == "share" for member in group.link.values()):
            yield Problem((*path, "link"), "", "no link shares; expected at least one with use share")


def _check_next_hop(context: ValidationContext, path: Path, link: Link) -> Iterator[Problem]:
    if link.next_hop is not None:
        yield from context.check_neighbor(path, link.next_hop, link.interface)
    elif context.facts is not None and (known := context.facts.interfaces.get(link.interface)):
        if known.framing == "ethernet":
            reason = f"missing; expected the next hop of the provider, on-link by {link.interface}"
            yield Problem(path, "", reason)
        elif known.up and not known.peers:
            reason = f"missing, and {link.interface} has no address with a peer; expected either"
            yield Problem(path, "", reason)


def _check_monitor(path: Path, monitor: Monitor) -> Iterator[Problem]:
    given = {kind: getattr(monitor, kind) for kind in PROBES}
    for kind, probe in given.items():
        if probe is not None and not probe.target:
            yield Problem((*path, kind, "target"), "", "missing; expected the address to probe")
    if not any(given.values()):
        yield Problem(path, "", f"nothing is probed; expected a target for one of: {', '.join(PROBES)}")
    targets = sum(len(probe.target) for probe in given.values() if probe is not None)
    if monitor.quorum is not None:
        where = (*path, "quorum")
        if monitor.require != "quorum":
            yield Problem(where, str(monitor.quorum), "has no effect; expected require quorum", "warning")
        elif monitor.quorum > targets:
            reason = f"more than there are targets; expected at most {targets}"
            yield Problem(where, str(monitor.quorum), reason)


def _check_route(context: ValidationContext, path: Path, name: str, link: Link) -> Iterator[Problem]:
    """Check that a route, a rule or another link sends packets to the next hop of a link."""
    facts = context.facts
    known = facts.interfaces.get(link.interface) if facts is not None else None
    hop = next_hop(link, facts)
    if facts is None or facts.gateways is None or known is None or hop is None or not known.on_link(hop):
        return
    if (link.interface, hop) in facts.gateways or _is_sent_to(context, name, hop):
        return
    reason = (
        f"no route goes by it and no rule or link uses it; expected a route, for example: "
        f"ip route add default via {hop} dev {link.interface} metric 100"
    )
    # The kernel removes the routes of a link that is down.
    yield Problem((*path, "next-hop"), str(hop), reason, "error" if known.up else "warning")


def _is_sent_to(context: ValidationContext, name: str, hop: Address) -> bool:
    profile = context.profile
    redirects = {rule.redirect for rule in profile.rules.values()}
    for rule in profile.rules.values():
        redirects |= {failover.redirect for failover in rule.failover.values()}
    return (
        hop in redirects
        or any(other.backup == name for other in profile.links.values())
        or any(name in group.link for group in profile.link_groups.values())
    )


def _check_backup(context: ValidationContext, path: Path, name: str, link: Link) -> Iterator[Problem]:
    if link.pool is not None:
        yield from context.check_pool((*path, "pool"), link.pool)
    if link.backup is None:
        return
    where = (*path, "backup")
    if link.backup == name:
        yield Problem(where, name, "a link can't be its own backup; expected another link")
        return
    yield from context.check_link(where, link.backup)
    found = context.profile.links.get(link.backup)
    if found is not None and found.pool is None:
        reason = (
            f"link {link.backup} has no pool, so flows keep the pool of their rule on it; "
            "expected a pool, unless both providers accept its addresses"
        )
        yield Problem(where, link.backup, reason, "warning")
