# SPDX-License-Identifier: Apache-2.0
"""Rules of lvs-snat v2, whichever program sets them: their fields and their known traps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from snatsh.interop import text
from snatsh.interop.intermediate import Finding, ImportedAction, ImportedMatch, SourceRule
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
"""lvs-snat's names of the algorithms it has."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The words of one rule; None for what is not given."""

    source: ShellWord | None = None
    destination: ShellWord | None = None
    gateway: ShellWord | None = None
    out_interface: ShellWord | None = None
    addresses: ShellWord | None = None
    algorithm: ShellWord | None = None
    new_gateway: ShellWord | None = None


def rule(head: ShellWord, shown: str, fields: Fields) -> SourceRule:
    """The rule of these fields. FormError at the word that is wrong."""
    if fields.addresses is None:
        raise head.refuse("no address to translate to; expected one")
    span = text.address_range(fields.addresses)
    algorithm = fields.algorithm.text if fields.algorithm else "sdh"
    if algorithm not in ALGORITHMS:
        assert fields.algorithm is not None
        raise fields.algorithm.refuse("unknown algorithm; expected sh, sdh or random")
    match = ImportedMatch(
        source=_prefix(fields.source),
        destination=_prefix(fields.destination),
        next_hop=_gateway(fields.gateway),
        out_interface=text.interface(fields.out_interface) if fields.out_interface else None,
    )
    action = ImportedAction(
        addresses=(span,), algorithm=ALGORITHMS[algorithm], redirect=_gateway(fields.new_gateway)
    )
    return SourceRule(head.location, shown, match, action)


def _prefix(word: ShellWord | None) -> Prefix | None:
    return text.given_prefix(text.prefix(word)[0]) if word else None


def _gateway(word: ShellWord | None) -> Address | None:
    found = text.address(word) if word else None
    return found if found is not None and int(found) else None


def traps(fields: Fields) -> Iterator[Finding]:
    """What lvs-snat did with a rule against what was written."""
    yield from host_bits(fields)
    source = fields.source
    if source is not None and text.prefix(source)[0] == ANY_PREFIX:
        reason = "source 0.0.0.0/0 was listed but never installed there; here it matches any source"
        yield Finding(source.location, "trap", reason)
    yield from _interface_traps(fields)
    if fields.addresses is not None:
        yield from _pool_traps(fields.addresses, fields.new_gateway)
    if fields.algorithm is not None and fields.algorithm.text == "random":
        reason = "random hashed source, destination and source port there; here it is random"
        yield Finding(fields.algorithm.location, "trap", reason)


def host_bits(fields: Fields) -> Iterator[Finding]:
    """Prefixes with host bits set."""
    for word in (fields.source, fields.destination):
        prefix, cleared = text.prefix(word) if word is not None else (None, False)
        if word is not None and cleared:
            reason = f"{word.text} has host bits set, which dropped all older rules there; read as {prefix}"
            yield Finding(word.location, "trap", reason)


def _interface_traps(fields: Fields) -> Iterator[Finding]:
    oif = fields.out_interface
    if oif is not None:
        reason = f"{oif.text} matched names that begin with it there, like {oif.text}0; here it is one name"
        yield Finding(oif.location, "trap", reason)
        if fields.gateway is not None:
            gateway = fields.gateway
            reason = f"gateway {gateway.text} was ignored there beside {oif.text}; here both must match"
            yield Finding(gateway.location, "trap", reason)


def _pool_traps(addresses: ShellWord, new_gateway: ShellWord | None) -> Iterator[Finding]:
    span = text.address_range(addresses)
    if int(span.first) >> 8 != int(span.last) >> 8:
        reason = f"{span} crosses an octet boundary, which was refused there; here it is valid"
        yield Finding(addresses.location, "trap", reason)
    hop = _gateway(new_gateway)
    if hop is not None and {int(span.first) >> 8, int(span.last) >> 8} != {int(hop) >> 8}:
        reason = f"pool {span} is not in the /24 of the new gateway {hop}; expected a route to this gateway"
        yield Finding(addresses.location, "trap", f"{reason} for it, and announce none")


def between(rules: Sequence[SourceRule]) -> Iterator[Finding]:
    """Traps of two rules together: equal keys, and catch-alls that hid older rules."""
    seen: dict[ImportedMatch, SourceRule] = {}
    by_prefixes: dict[tuple[Prefix | None, Prefix | None], list[SourceRule]] = {}
    for one in rules:
        twin = seen.setdefault(one.match, one)
        if twin is not one:
            reason = f"has the key of line {twin.location.line}: there it was refused; here it never matches"
            yield Finding(one.location, "trap", f"{reason} (for a backup path, set failover)")
            continue
        older = by_prefixes.setdefault((one.match.source, one.match.destination), [])
        for other in older if one.match.out_interface is None and one.match.next_hop is None else ():
            reason = f"is later than line {other.location.line} with the same prefixes and hid it there;"
            yield Finding(one.location, "trap", f"{reason} here the more specific one wins")
        older.append(one)


def cannot(match: ImportedMatch, action: ImportedAction) -> str:
    """Why lvs-snat cannot express a rule; empty when it can."""
    if action.verdict != "translate":
        return f"action {action.verdict} is unknown there"
    if action.algorithm not in NAMES:
        return f"algorithm {action.algorithm} is unknown there"
    if match.protocol or match.fwmark is not None:
        return "rules there match neither protocol nor fwmark"
    if match.source is None:
        return "a rule for any source is never installed there"
    if len(action.addresses) != 1:
        return "a rule there takes one range of addresses"
    if int(action.addresses[0].first) >> 8 != int(action.addresses[0].last) >> 8:
        return "a range there cannot cross an octet boundary"
    return "port ranges are unknown there" if action.ports else ""
