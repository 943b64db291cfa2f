# SPDX-License-Identifier: Apache-2.0
"""From an import to a profile's document and a report."""

from __future__ import annotations

from typing import Any

from snatsh.interop import order
from snatsh.interop.intermediate import Finding, Imported, ImportedAction, ImportedMatch, SourceRule
from snatsh.interop.report import Report, Row
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import FormError
from snatsh.model.values import AddressRange

MAX_RULES = 16_384
_PoolKey = tuple[tuple[AddressRange, ...], str, bool]


def assemble(imported: Imported) -> tuple[Document, Report]:
    """The document has rules, pools and timeouts, the interfaces that were named, and the default action."""
    rules, findings = list(imported.rules), list(imported.findings)
    if imported.first_match:
        rules, hidden = order.resolve(imported.rules)
        findings += hidden
    if len(rules) > MAX_RULES:
        place = rules[MAX_RULES].place
        raise FormError(f"would be more than {MAX_RULES:,} rules here", place.line, place.column)
    pools: dict[_PoolKey, str] = {}
    entries: dict[str, Any] = {}
    rows = []
    for number, rule in enumerate(rules, 1):
        entries[str(number * 10)] = _entry(rule.match, rule.outcome, pools)
        rows.append(Row(rule.place, rule.text, number * 10))
    findings += _shared(rules)
    document = _without_nothing({
        "system": {"default-action": imported.unmatched},
        "interfaces": _interfaces(imported),
        "pools": {name: _pool(key) for key, name in pools.items()},
        "rules": entries,
        "timeouts": {name: dict(held) for name, held in imported.timeouts.items()},
    })  # fmt: skip
    findings.sort(key=lambda one: (one.place.line, one.place.column))
    return validate_shape(document), Report(
        imported.dialect, tuple(rows), tuple(findings), imported.unmatched
    )


def _without_nothing(document: dict[str, Any]) -> dict[str, Any]:
    return {name: held for name, held in document.items() if held}


def _entry(match: ImportedMatch, outcome: ImportedAction, pools: dict[_PoolKey, str]) -> dict[str, Any]:
    """A rule of the document, defaults left out."""
    entry: dict[str, Any] = {
        "source": match.source, "destination": match.destination, "protocol": match.protocol,
        "out-interface": match.out_interface, "next-hop": match.next_hop, "redirect": outcome.redirect,
    }  # fmt: skip
    shown = {name: str(value) for name, value in entry.items() if value is not None}
    if match.fwmark is not None:
        shown["fwmark"] = str(match.fwmark)
    if outcome.action != "translate":
        return {**shown, "action": outcome.action}
    key = (outcome.addresses, str(outcome.ports or ""), outcome.stack)
    shown["pool"] = pools.setdefault(key, f"p{len(pools) + 1}")
    if outcome.algorithm != "source-destination-hash":
        shown["algorithm"] = outcome.algorithm
    return shown


def _pool(key: _PoolKey) -> dict[str, Any]:
    addresses, ports, stack = key
    pool: dict[str, Any] = {"address": [str(one) for one in addresses]}
    if ports:
        pool["ports"] = ports
    if stack:
        pool["unmatched"] = "stack"
    return pool


def _interfaces(imported: Imported) -> dict[str, Any]:
    outside = {rule.match.out_interface for rule in imported.rules} - {None}
    roles = {str(name): {"role": "outside"} for name in sorted(map(str, outside))}
    return roles | {name: {"role": "inside"} for name in imported.inside if name not in roles}


def _shared(rules: list[SourceRule]) -> list[Finding]:
    """Pools that meet without being the same: here an address is in one pool only."""
    first: dict[_PoolKey, SourceRule] = {}
    for rule in rules:
        if rule.outcome.addresses:
            key = (rule.outcome.addresses, str(rule.outcome.ports or ""), rule.outcome.stack)
            first.setdefault(key, rule)
    spans = sorted(
        ((span.first, span.last, number) for number, key in enumerate(first) for span in key[0]),
    )
    held, findings, told = list(first.values()), [], set[tuple[int, int]]()
    reach, owner = None, 0
    for begin, end, number in spans:
        if reach is not None and begin <= reach and number != owner and (owner, number) not in told:
            told.add((owner, number))
            other = held[owner].place.line
            reason = (
                f"its addresses meet those of line {other}, and are not the same: here an address is in one"
            )
            findings.append(
                Finding(held[number].place, "differs", f"{reason} pool only, and a commit asks for that")
            )
        if reach is None or end > reach:
            reach, owner = end, number
    return findings
