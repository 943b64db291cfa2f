# SPDX-License-Identifier: Apache-2.0
"""What iptables and nft have in common: netfilter's source NAT, and what differs from it here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from snatsh.interop.intermediate import Finding, ImportedAction, ImportedMatch, SourceLocation, SourceRule
from snatsh.model.values import Address, AddressRange, PortRange, Prefix

PROTOCOLS = ("tcp", "udp", "icmp")
MAX_NETMAP = 256
"""Addresses that a one-to-one mapping is written out for."""

PRESERVES = "netfilter chooses by a hash of its own: another address of the same pool is likely"

Own = Mapping[str, Address]
"""The box's first address on each interface, for masquerading."""


def translation(addresses: AddressRange, ports: PortRange | None, persistent: bool) -> ImportedAction:
    algorithm = "source-hash" if persistent else "source-destination-hash"
    return ImportedAction(addresses=(addresses,), ports=ports, algorithm=algorithm)


def choice_findings(place: SourceLocation, outcome: ImportedAction, random: bool) -> Iterator[Finding]:
    """What differs in how an address and a port are chosen."""
    if outcome.addresses[0].size > 1:
        yield Finding(place, "differs", PRESERVES)
    if random:
        reason = "random ports: here the source port is kept where it is free, else it is unpredictable"
        yield Finding(place, "differs", reason)


def masquerade(
    place: SourceLocation, out: str | None, own: Own, ports: PortRange | None
) -> ImportedAction | Finding:
    if out is None:
        reason = "masquerading without an outside interface takes an address that is not known here"
        return Finding(place, "no-counterpart", f"{reason}; expected one, or a rule with a pool")
    if out not in own:
        reason = f"masquerading takes the address of {out}, which this box does not have;"
        return Finding(place, "no-counterpart", f"{reason} give the rule a pool with it, unmatched stack")
    return ImportedAction(addresses=(AddressRange(own[out], own[out]),), ports=ports, stack=True)


def masquerade_finding(place: SourceLocation, out: str, address: Address) -> Finding:
    reason = f"masquerading follows the address of {out}; here it is {address} until the pool is changed"
    return Finding(place, "differs", reason)


def netmap(rule: SourceRule, to: Prefix) -> list[SourceRule] | Finding:
    """One rule for each host of the source, so that it keeps its part of the address."""
    source = rule.match.source
    if source is None or source.prefixlen < to.prefixlen or source.num_addresses > MAX_NETMAP:
        reason = f"a mapping of {source or 'every source'} to {to} one to one has no counterpart;"
        expected = f"expected a source of at most {MAX_NETMAP} addresses, and no more than {to} has"
        return Finding(rule.place, "no-counterpart", f"{reason} {expected}")
    rules = []
    for host in source:
        address = Address(int(to.network_address) | int(host) & int(to.hostmask))
        outcome = ImportedAction(addresses=(AddressRange(address, address),), ports=PortRange(1, 65535))
        match = ImportedMatch(Prefix(host), *_rest(rule.match))
        rules.append(SourceRule(rule.place, rule.text, match, outcome))
    return rules


def _rest(match: ImportedMatch) -> tuple[Prefix | None, str | None, str | None, Address | None, int | None]:
    return match.destination, match.protocol, match.out_interface, match.next_hop, match.fwmark


def products(
    sources: tuple[Prefix | None, ...], destinations: tuple[Prefix | None, ...],
    outs: tuple[str | None, ...], protocols: tuple[str | None, ...], mark: int | None,
) -> Iterator[ImportedMatch]:  # fmt: skip
    """The matches that stand for one rule with sets in it."""
    for source in sources:
        for destination in destinations:
            for out in outs:
                for protocol in protocols:
                    yield ImportedMatch(source, destination, protocol, out, None, mark)


def cannot(match: ImportedMatch, outcome: ImportedAction) -> str:
    """Why netfilter's NAT has no words for a rule; nothing where it has."""
    if outcome.redirect is not None:
        return "NAT does not change the way of a packet"
    if match.next_hop is not None:
        return "NAT does not match the next hop"
    if outcome.action == "drop":
        return "a nat chain may not drop"
    if outcome.action == "translate" and len(outcome.addresses) != 1:
        return "one statement has one range of addresses"
    if outcome.algorithm not in ("source-hash", "source-destination-hash"):
        return f"algorithm {outcome.algorithm} is not known there"
    if outcome.ports and match.protocol not in ("tcp", "udp"):
        return "a port range needs protocol tcp or udp there"
    return ""


def ordered(
    rules: list[tuple[int, ImportedMatch, ImportedAction]],
) -> list[tuple[int, ImportedMatch, ImportedAction]]:
    """The most exact first, as the first match wins there."""

    def rank(one: tuple[int, ImportedMatch, ImportedAction]) -> tuple[int, int, int, int]:
        number, match, _ = one
        others = (match.protocol, match.out_interface, match.next_hop, match.fwmark)
        given = sum(value is not None for value in others)
        return (-_length(match.source), -_length(match.destination), -given, number)

    return sorted(rules, key=rank)


def _length(prefix: Prefix | None) -> int:
    return prefix.prefixlen if prefix else 0


def dashed(outcome: ImportedAction) -> str:
    """`first-last:ports`, as both write it."""
    one = outcome.addresses[0]
    span = str(one.first) if one.first == one.last else f"{one.first}-{one.last}"
    return f"{span}:{outcome.ports.first}-{outcome.ports.last}" if outcome.ports else span
