# SPDX-License-Identifier: Apache-2.0
"""Rules of lvs-snat v2, whichever program set them: their fields, and the traps that lie in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from snatsh.interop import text
from snatsh.interop.intermediate import Finding, ImportedAction, ImportedMatch, SourceLocation, SourceRule
from snatsh.interop.text import ShellWord
from snatsh.model.values import ANY_PREFIX, Address, Prefix

ALGORITHMS = {
    "sh": "source-hash",
    "sdh": "source-destination-hash",
    "random": "random",
    # lvs-dpdk's names for the same
    "s": "source-hash",
    "sd": "source-destination-hash",
    "sdfn": "tuple-hash",
}
NAMES = {"source-hash": "sh", "source-destination-hash": "sdh", "random": "random"}
"""What lvs-snat calls the algorithms that it has."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The words of one rule, as far as they were given."""

    source: ShellWord | None = None
    destination: ShellWord | None = None
    gateway: ShellWord | None = None
    out_interface: ShellWord | None = None
    addresses: ShellWord | None = None
    algorithm: ShellWord | None = None
    new_gateway: ShellWord | None = None


def rule(head: ShellWord, shown: str, fields: Fields) -> tuple[SourceRule, list[Finding]]:
    """The rule and what is to be said about it."""
    findings = list(_traps(head.place, fields))
    if fields.addresses is None:
        raise head.refuse("has no address to translate to; expected one")
    span = text.address_range(fields.addresses)
    algorithm = fields.algorithm.text if fields.algorithm else "sdh"
    if algorithm not in ALGORITHMS:
        assert fields.algorithm is not None
        raise fields.algorithm.refuse("is no algorithm; expected sh, sdh or random")
    match = ImportedMatch(
        source=_prefix(fields.source),
        destination=_prefix(fields.destination),
        next_hop=_gateway(fields.gateway),
        out_interface=text.interface(fields.out_interface) if fields.out_interface else None,
    )
    outcome = ImportedAction(
        addresses=(span,), algorithm=ALGORITHMS[algorithm], redirect=_gateway(fields.new_gateway)
    )
    return SourceRule(head.place, shown, match, outcome), findings


def _prefix(word: ShellWord | None) -> Prefix | None:
    return text.given_prefix(text.prefix(word)[0]) if word else None


def _gateway(word: ShellWord | None) -> Address | None:
    found = text.address(word) if word else None
    return found if found is not None and int(found) else None


def _traps(place: SourceLocation, fields: Fields) -> Iterator[Finding]:
    for word in (fields.source, fields.destination):
        if word is None:
            continue
        prefix, cut = text.prefix(word)
        if cut:
            reason = f"{word.text} has host bits set: there it dropped all older rules; taken as {prefix}"
            yield Finding(word.place, "trap", reason)
        if word is fields.source and prefix == ANY_PREFIX:
            reason = "source 0.0.0.0/0 was listed there but never installed; here it matches every source"
            yield Finding(word.place, "trap", reason)
    oif = fields.out_interface
    if oif is not None:
        reason = f"{oif.text} matched there every name that begins so, like {oif.text}0; here it is one name"
        yield Finding(oif.place, "trap", reason)
        if fields.gateway is not None:
            reason = f"gateway {fields.gateway.text} was ignored there because {oif.text} is given;"
            yield Finding(fields.gateway.place, "trap", f"{reason} here both have to match")
    if fields.addresses is not None:
        yield from _pool_traps(fields.addresses, fields.new_gateway)
    if fields.algorithm is not None and fields.algorithm.text == "random":
        reason = "random hashed source, destination and source port there; here it is random"
        yield Finding(fields.algorithm.place, "trap", reason)


def _pool_traps(addresses: ShellWord, new_gateway: ShellWord | None) -> Iterator[Finding]:
    span = text.address_range(addresses)
    if int(span.first) >> 8 != int(span.last) >> 8:
        yield Finding(
            addresses.place, "trap", f"{span} crosses an octet: there it was refused; here it holds"
        )
    hop = _gateway(new_gateway)
    if hop is not None and {int(span.first) >> 8, int(span.last) >> 8} != {int(hop) >> 8}:
        reason = f"pool {span} is not in the /24 of the new gateway {hop}: replies come back only if they are"
        yield Finding(addresses.place, "trap", f"{reason} routed to this box; then set announce none")


def between(rules: Sequence[SourceRule]) -> Iterator[Finding]:
    """Traps that lie in two rules together: equal keys, and catch-alls that hid what is older."""
    seen: dict[ImportedMatch, SourceRule] = {}
    by_prefixes: dict[tuple[Prefix | None, Prefix | None], list[SourceRule]] = {}
    for one in rules:
        twin = seen.setdefault(one.match, one)
        if twin is not one:
            reason = f"has the key of line {twin.place.line}: there it was refused; here it never matches,"
            yield Finding(one.place, "trap", f"{reason} the earlier one wins (for a spare way, set failover)")
            continue
        older = by_prefixes.setdefault((one.match.source, one.match.destination), [])
        for other in older if one.match.out_interface is None and one.match.next_hop is None else ():
            reason = f"came later than line {other.place.line} with the same prefixes and hid it there;"
            yield Finding(one.place, "trap", f"{reason} here the more exact one wins")
        older.append(one)
