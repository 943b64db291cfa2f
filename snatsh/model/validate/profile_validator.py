# SPDX-License-Identifier: Apache-2.0
"""Validates a profile across its statements, each of which is valid by itself."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.model.errors import Problem
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.pool_addresses import with_interface_addresses
from snatsh.model.schema.profile import Interface, Profile
from snatsh.model.validate.box import CHECKSUMS, check_box
from snatsh.model.validate.links import check_groups, check_links
from snatsh.model.validate.pools import check_pools, check_written
from snatsh.model.validate.rules import check_rules
from snatsh.model.validate.validation_context import ValidationContext, listed


def validate(profile: Profile, facts: Facts | None = None) -> list[Problem]:
    """All errors and warnings in schema order. Without facts, checks of the gateway are skipped."""
    context = ValidationContext(with_interface_addresses(profile, facts), facts)
    return [
        *_check_gateway(context),
        *_check_inbound(context),
        *_check_interfaces(context),
        *check_links(context),
        *check_groups(context),
        *check_written(profile),
        *check_pools(context),
        *check_rules(context),
        *(check_box(profile, facts) if facts else ()),
    ]


_HIDDEN_TAGS = (
    "strips VLAN tags before XDP, so that tagged frames look untagged; expected hook tc,"
    " or: ethtool -K {} rxvlan off"
)


def _check_gateway(context: ValidationContext) -> Iterator[Problem]:
    if context.facts is None:
        return
    if not context.facts.forwarding:
        reason = "IP forwarding is disabled; expected sysctl net.ipv4.ip_forward = 1"
        yield Problem((), "", reason, "warning")
    if any(rule.action == "translate" for rule in context.profile.rules.values()):
        for where in context.facts.translations:
            yield Problem((), "", f"{where} translates sources too; expected no other source NAT", "warning")


def _check_inbound(context: ValidationContext) -> Iterator[Problem]:
    """Point out networks forwarded without translation, whose servers the default closes to the outside."""
    system, rules = context.profile.system, context.profile.rules
    if "inbound" in system.model_fields_set:
        return
    exempt = [str(number) for number, rule in sorted(rules.items()) if rule.action == "exempt"]
    by = [f"rule {listed(exempt)}"] if exempt else []
    if system.default_action == "pass":
        by.append("default-action pass")
    if by:
        reason = f"hosts exempted by {' and '.join(by)} can't be reached from outside; expected drop or pass"
        yield Problem(("system", "inbound"), "", reason, "warning")


def _check_interfaces(context: ValidationContext) -> Iterator[Problem]:
    profile, facts = context.profile, context.facts
    if any(rule.action == "translate" for rule in profile.rules.values()):
        roles = {interface.role for interface in profile.interfaces.values()}
        for role in ("inside", "outside"):
            if role not in roles:
                reason = f"no interface has role {role}, so nothing is translated; expected at least one"
                yield Problem(("interfaces",), "", reason, "warning")
    for name in sorted(profile.interfaces):
        if facts is not None and name not in facts.interfaces:
            known = listed(sorted(facts.interfaces))
            reason = f"missing on this gateway, takes effect when it appears; there are: {known}"
            yield Problem(("interfaces", name), "", reason, "warning")
        elif facts is not None:
            yield from _check_framing(name, profile.interfaces[name], facts.interfaces[name])
            if name in facts.untagging and profile.interfaces[name].hook != "tc":
                yield Problem(("interfaces", name), "", _HIDDEN_TAGS.format(name), "warning")
            if facts.interfaces[name].software and profile.interfaces[name].hook == "xdp":
                yield Problem(("interfaces", name, "hook"), "xdp", CHECKSUMS, "warning")


def _check_framing(name: str, interface: Interface, known: InterfaceFacts) -> Iterator[Problem]:
    path = ("interfaces", name)
    if known.framing == "other":
        reason = "unsupported link layer; expected Ethernet, or none as with PPP, tun and WireGuard"
        yield Problem(path, "", reason)
    elif known.framing == "none" and interface.role == "inside":
        yield Problem((*path, "role"), "inside", "has no Ethernet header; expected an Ethernet device inside")
    elif known.framing == "none" and interface.hook == "xdp":
        yield Problem((*path, "hook"), "xdp", "has no Ethernet header for XDP; expected auto or tc")
