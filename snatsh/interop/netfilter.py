# SPDX-License-Identifier: Apache-2.0
"""Netfilter's source NAT, common to iptables and nft, and what differs from it here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from snatsh.interop.dialect import InterfaceAddresses
from snatsh.interop.intermediate import (
    ALL_PORTS,
    Finding,
    ImportedAction,
    ImportedMatch,
    NumberedRule,
    SourceLocation,
    SourceRule,
)
from snatsh.model.values import Address, AddressRange, PortRange, Prefix

MAX_NETMAP = 256
"""Hosts of a one-to-one mapping, each of which becomes a rule."""

OTHER_HASH = "netfilter selects by another hash: expect another address of the same pool"


def translation(addresses: AddressRange, ports: PortRange | None, persistent: bool) -> ImportedAction:
    algorithm = "source-hash" if persistent else "source-destination-hash"
    return ImportedAction(addresses=(addresses,), ports=ports, algorithm=algorithm)


def choice_findings(location: SourceLocation, action: ImportedAction, random: bool) -> Iterator[Finding]:
    """What differs in the choice of address and port."""
    if action.addresses[0].size > 1:
        yield Finding(location, "differs", OTHER_HASH)
    if random:
        reason = "random ports: here the source port is preserved when free, otherwise it is random"
        yield Finding(location, "differs", reason)


def masquerade(
    location: SourceLocation, out: str | None, own: InterfaceAddresses, ports: PortRange | None
) -> ImportedAction | Finding:
    """Translation to the address that the interface has now."""
    if out is None:
        reason = "masquerade without an outside interface: its address is unknown"
        return Finding(location, "no-counterpart", f"{reason}; expected an interface, or a rule with a pool")
    if out not in own:
        reason = f"masquerade by {out}, which has no address on this gateway"
        return Finding(location, "no-counterpart", f"{reason}; expected a rule with a pool, unmatched stack")
    return ImportedAction(addresses=(AddressRange(own[out], own[out]),), ports=ports, stack=True)


def masquerade_finding(location: SourceLocation, out: str, address: Address) -> Finding:
    reason = f"masquerade follows the address of {out}; here it is {address} until the pool is changed"
    return Finding(location, "differs", reason)


def netmap(rule: SourceRule, to: Prefix) -> list[SourceRule] | Finding:
    """One rule for each host of the source, which keeps its host part."""
    source = rule.match.source
    if source is None or source.prefixlen < to.prefixlen or source.num_addresses > MAX_NETMAP:
        reason = f"one-to-one mapping of {source or 'any source'} to {to}"
        expected = f"expected a source of at most {MAX_NETMAP} addresses that is no larger than {to}"
        return Finding(rule.location, "no-counterpart", f"{reason}; {expected}")
    rules = []
    for host in source:
        address = Address(int(to.network_address) | int(host) & int(to.hostmask))
        action = ImportedAction(addresses=(AddressRange(address, address),), ports=ALL_PORTS)
        rules.append(replace(rule, match=replace(rule.match, source=Prefix(host)), action=action))
    return rules


def products(
    sources: tuple[Prefix | None, ...], destinations: tuple[Prefix | None, ...],
    outs: tuple[str | None, ...], protocols: tuple[str | None, ...], mark: int | None,
) -> Iterator[ImportedMatch]:  # fmt: skip
    """The matches that one rule with sets expands to."""
    for source in sources:
        for destination in destinations:
            for out in outs:
                for protocol in protocols:
                    yield ImportedMatch(source, destination, protocol, out, None, mark)


def cannot(match: ImportedMatch, action: ImportedAction) -> str:
    """Why netfilter's NAT can't express a rule; empty when it can. No quotes: it may be pasted to a shell."""
    if action.redirect is not None:
        return "NAT cannot change the next hop"
    if match.next_hop is not None:
        return "NAT cannot match the next hop"
    if action.verdict == "drop":
        return "a nat chain cannot drop"
    if action.verdict == "translate" and len(action.addresses) != 1:
        return "a statement takes one range of addresses"
    if action.algorithm not in ("source-hash", "source-destination-hash"):
        return f"algorithm {action.algorithm} is unknown there"
    if action.ports and match.protocol not in ("tcp", "udp"):
        return "a port range needs protocol tcp or udp"
    return ""


def ordered(rules: list[NumberedRule]) -> list[NumberedRule]:
    """The most specific first, since the first match wins there."""

    def rank(rule: NumberedRule) -> tuple[int, ...]:
        number, match, _ = rule
        return (*(-part for part in match.precedence), number)

    return sorted(rules, key=rank)


def dashed(action: ImportedAction) -> str:
    """`first-last:ports`, as both write it."""
    span = action.addresses[0].dashed
    return f"{span}:{action.ports.first}-{action.ports.last}" if action.ports else span
