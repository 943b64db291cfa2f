"""Checks across the tree, on a profile whose statements are each acceptable by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.model.errors import Problem
from snatsh.model.facts import Facts
from snatsh.model.schema import Link, Profile
from snatsh.model.surroundings import Surroundings, listed
from snatsh.model.validate_pools import check_pools
from snatsh.model.validate_rules import check_rules

PROBES = ("icmp", "arp", "tcp")


def validate(profile: Profile, facts: Facts | None = None) -> list[Problem]:
    """Every error and warning, in the order of the schema. Without facts, the box is left out."""
    around = Surroundings(profile, facts)
    return [
        *_check_box(around),
        *_check_interfaces(around),
        *_check_links(around),
        *check_pools(around),
        *check_rules(around),
    ]


def _check_box(around: Surroundings) -> Iterator[Problem]:
    if around.facts is not None and not around.facts.forwarding:
        yield Problem((), "", "this box does not forward; expected sysctl net.ipv4.ip_forward = 1", "warning")


def _check_interfaces(around: Surroundings) -> Iterator[Problem]:
    profile, facts = around.profile, around.facts
    if any(rule.action == "translate" for rule in profile.rules.values()):
        roles = {interface.role for interface in profile.interfaces.values()}
        for role in ("inside", "outside"):
            if role not in roles:
                reason = f"no interface has role {role}, so nothing is translated; expected at least one"
                yield Problem(("interfaces",), "", reason, "warning")
    for name in sorted(profile.interfaces):
        if facts is not None and name not in facts.interfaces:
            reason = f"no such interface on this box; there are: {listed(sorted(facts.interfaces))}"
            yield Problem(("interfaces", name), "", reason)


def _check_links(around: Surroundings) -> Iterator[Problem]:
    first: dict[tuple[str, object], str] = {}
    for name, link in sorted(around.profile.links.items()):
        path = ("links", name)
        yield from around.check_outside((*path, "interface"), link.interface)
        yield from around.check_neighbour((*path, "next-hop"), link.next_hop, link.interface)
        same = first.setdefault((link.interface, link.next_hop), name)
        if same != name:
            reason = f"has the same interface and next hop as link {same}; they go up and down as one"
            yield Problem((*path, "next-hop"), str(link.next_hop), reason, "warning")
        yield from _check_monitor(path, link)


def _check_monitor(link_path: tuple[str, ...], link: Link) -> Iterator[Problem]:
    if link.monitor is None:
        return
    path = (*link_path, "monitor")
    given = {kind: getattr(link.monitor, kind) for kind in PROBES}
    for kind, probe in given.items():
        if probe is not None and not probe.target:
            yield Problem((*path, kind, "target"), "", "missing; expected the address to probe")
    if not any(given.values()):
        yield Problem(path, "", f"nothing is probed; expected a target for one of: {', '.join(PROBES)}")
    reason = "probes are not run yet; the link's state follows carrier and interface"
    yield Problem(path, "", reason, "warning")
