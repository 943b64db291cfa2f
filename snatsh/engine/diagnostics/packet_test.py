# SPDX-License-Identifier: Apache-2.0
"""Evaluate what would happen to a packet, and why, with the reference matcher and the host's routes.

The rules are those of a candidate, or those read back from the maps of the datapath.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from snatsh.api.diagnostics import OtherRule, Verdict
from snatsh.compile.image import Image, RuleImage
from snatsh.compile.match import MATCH_FIELDS, Packet
from snatsh.compile.reference_matcher import judge
from snatsh.engine.errors import EngineError
from snatsh.engine.host.route_lookup import FoundRoute, RouteQuestion, RouteRefused, route_of
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile
from snatsh.model.values import Address
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

_SHOWN = 50


class NoRoute(EngineError):
    """The host would not forward the packet."""


@dataclass(frozen=True, slots=True)
class TestPacket:
    """protocol: by name. interface: where it arrives, by default the first inside interface."""

    source: Address
    destination: Address
    protocol: str
    source_port: int = 0
    destination_port: int = 0
    interface: str | None = None
    mark: int = 0


def route(question: TestPacket, profile: Profile, facts: Facts) -> FoundRoute:
    """Look up the route of a packet as the datapath does, before any redirect. NoRoute if there is none."""
    asked = _asked(question, profile, facts)
    try:
        try:
            found = route_of(asked)
        except RouteRefused:  # which the source may be the reason for, on that interface
            found = route_of(RouteQuestion(None, question.destination))
    except RouteRefused as error:
        raise NoRoute(f"{question.destination}: no route ({error})") from None
    if not found.interface:
        raise NoRoute(f"{question.destination}: no route")
    return found


def route_by_mark(question: TestPacket, profile: Profile, facts: Facts) -> str:
    """Say how the kernel would route a packet with its mark, where the datapath does not; else empty."""
    if not question.mark:
        return ""
    try:
        known = route(question, profile, facts)
        marked = route_of(replace(_asked(question, profile, facts), mark=question.mark))
    except (NoRoute, RouteRefused):
        return ""
    if marked == known:
        return ""
    out = {one.index: name for name, one in facts.interfaces.items()}.get(marked.interface, "?")
    return (
        f"the kernel would route a packet with mark {question.mark:#x} by {out} to {marked.next_hop};"
        " the datapath does not look at marks"
    )


def _asked(question: TestPacket, profile: Profile, facts: Facts) -> RouteQuestion:
    inside = [name for name, interface in profile.interfaces.items() if interface.role == "inside"]
    name = question.interface or next(iter(sorted(inside)), None)
    if name is None or name not in facts.interfaces:
        raise NoRoute(f"interface {name or 'inside'}: no such inside interface")
    if name not in inside:
        raise NoRoute(f"interface {name}: not an inside interface, so its packets are not translated")
    return RouteQuestion(
        question.source, question.destination, facts.interfaces[name].index,
        PROTOCOL_NUMBERS[question.protocol], question.source_port, question.destination_port,
    )  # fmt: skip


def answer(question: TestPacket, image: Image, profile: Profile, facts: Facts) -> Verdict:
    """Return verdict, rule, addresses and next hop, and why other rules do not apply."""
    routed = route(question, profile, facts)
    names = {known.index: name for name, known in facts.interfaces.items()}
    packet = Packet(
        question.source, question.destination, PROTOCOL_NUMBERS[question.protocol],
        question.source_port, question.destination_port, routed.interface, routed.next_hop, question.mark,
    )  # fmt: skip
    out = names.get(routed.interface, str(routed.interface))
    role = profile.interfaces[out].role if out in profile.interfaces else None
    if role != "outside":
        reason = f"routing sends it out by {out}, which is not an outside interface"
        return without_rule("not considered", reason, out, str(routed.next_hop))
    outcome = judge(image, packet)
    rule = outcome.rule
    redirect = rule.redirect if rule else None
    return Verdict(
        verdict=outcome.verdict,
        reason=_reason(rule, image),
        rule=rule.number if rule else None,
        ways=_links(rule, image),
        pool=image.pools[rule.pool].name if rule and outcome.verdict == "translate" else None,
        addresses=[str(address) for address in outcome.addresses[:_SHOWN]],
        out_interface=out if redirect is None else _interface_of(redirect, facts) or out,
        redirect=str(redirect) if redirect else "",
        next_hop=str(redirect or routed.next_hop),
        others=list(_others(image, packet, rule, names)),
    )


def without_rule(verdict: str, reason: str, out_interface: str = "", next_hop: str = "") -> Verdict:
    """The verdict on a packet that no rule is asked about."""
    return Verdict(
        verdict=verdict, reason=reason, rule=None, ways="", pool=None, addresses=[],
        out_interface=out_interface, redirect="", next_hop=next_hop, others=[],
    )  # fmt: skip


def _reason(rule: RuleImage | None, image: Image) -> str:
    if rule is None:
        return f"no rule matches, so the default action applies: {'pass' if image.default_pass else 'drop'}"
    return f"rule {rule.number} is the most specific of those that match"


def _links(rule: RuleImage | None, image: Image) -> str:
    """Return the links of a rule, and those they replace; empty if it follows the routing table."""
    found = next((one.selection for one in image.rules if rule and one.number == rule.number), None)
    if found is None or (len(found.choices) == 1 and found.choices[0].link is None):
        return ""
    instead = f", instead of {', '.join(found.instead_of)}" if found.instead_of else ""
    return found.text + instead


def _interface_of(address: Address, facts: Facts) -> str | None:
    for name, known in facts.interfaces.items():
        if any(address in own.network for own in known.addresses):
            return name
    return None


def _others(
    image: Image, packet: Packet, chosen: RuleImage | None, names: dict[int, str]
) -> Iterator[OtherRule]:
    others = [rule for rule in image.rules if chosen is None or rule.number != chosen.number]
    # The closest first: operators ask about the rule that they expected to match.
    ordered = sorted(others, key=lambda rule: (len(_misses(rule, packet, names)), rule.number))
    for rule in ordered[:_SHOWN]:
        yield OtherRule(rule.number, _why_not(rule, packet, chosen, names))


def _why_not(rule: RuleImage, packet: Packet, chosen: RuleImage | None, names: dict[int, str]) -> str:
    if not rule.match.covers(packet):
        return "; ".join(_misses(rule, packet, names))
    assert chosen is not None
    for what, mine, its in zip(
        ("a longer source prefix", "a longer destination prefix", "more fields"),
        rule.match.specificity,
        chosen.match.specificity,
        strict=True,
    ):
        if mine != its:
            return f"matches too, but rule {chosen.number} has {what}"
    return f"matches too, and is as specific, but rule {chosen.number} has the lower number"


def _misses(rule: RuleImage, packet: Packet, names: dict[int, str]) -> list[str]:
    match, found = rule.match, []
    if packet.source not in match.source:
        found.append(f"source is not in {match.source}")
    if packet.destination not in match.destination:
        found.append(f"destination is not in {match.destination}")
    for field in MATCH_FIELDS:
        if field.differs(match, packet):
            has, expected = (field.text(getattr(held, field.name), names) for held in (packet, match))
            found.append(f"{field.statement} is {has}, not {expected}")
    return found
