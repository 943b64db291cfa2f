# SPDX-License-Identifier: Apache-2.0
"""From a text in any dialect to a profile's document and a report."""

from __future__ import annotations

from snatsh.interop import dialects, first_match
from snatsh.interop.dialect import InterfaceAddresses
from snatsh.interop.intermediate import (
    ALL_PORTS,
    MATCH_FIELDS,
    Finding,
    Imported,
    ImportedAction,
    ImportedMatch,
    SourceRule,
)
from snatsh.interop.report import Report, ReportRow
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import FormError
from snatsh.model.values import AddressRange

MAX_RULES = 16_384
_PoolKey = tuple[tuple[AddressRange, ...], str, bool]


def import_text(
    text: str, dialect: str | None = None, own: InterfaceAddresses | None = None
) -> tuple[Document, Report]:
    """Document and report. own: this gateway's first address on each interface, for masquerading."""
    return assemble(read(text, dialect, own))


def read(text: str, dialect: str | None = None, own: InterfaceAddresses | None = None) -> Imported:
    """The rules of a text, in the dialect named or the one recognised."""
    chosen = dialects.detect(text) if dialect is None else dialects.named(dialect)
    return chosen.read(text, own or {})


def assemble(imported: Imported) -> tuple[Document, Report]:
    """The document has rules, pools, timeouts, the interfaces named and the default action."""
    rules, findings = list(imported.rules), list(imported.findings)
    if imported.first_match:
        rules, hidden = first_match.resolve(imported.rules)
        findings += hidden
    if len(rules) > MAX_RULES:
        location = rules[MAX_RULES].location
        raise FormError(f"expected at most {MAX_RULES:,} rules", location.line, location.column)
    pools: dict[_PoolKey, str] = {}
    entries: Document = {}
    rows = []
    for number, rule in enumerate(rules, 1):
        entries[str(number * 10)] = _entry(rule.match, rule.action, pools)
        rows.append(ReportRow(rule.location, rule.text, number * 10))
    findings += _shared(rules)
    document = _without_empty({
        "system": {"default-action": imported.unmatched},
        "interfaces": _interfaces(imported),
        "pools": {name: _pool(key, imported.keeps_port_class) for key, name in pools.items()},
        "rules": entries,
        "timeouts": {name: dict(held) for name, held in imported.timeouts.items()},
    })  # fmt: skip
    findings.sort(key=lambda one: (one.location.line, one.location.column))
    return validate_shape(document), Report(
        imported.dialect, tuple(rows), tuple(findings), imported.unmatched
    )


def _without_empty(document: Document) -> Document:
    return {name: held for name, held in document.items() if held}


def _entry(match: ImportedMatch, action: ImportedAction, pools: dict[_PoolKey, str]) -> Document:
    """A rule of the document, defaults left out."""
    given = {name.replace("_", "-"): getattr(match, name) for name in MATCH_FIELDS}
    given["redirect"] = action.redirect
    entry = {name: str(value) for name, value in given.items() if value is not None}
    if action.verdict != "translate":
        return {**entry, "action": action.verdict}
    entry["pool"] = pools.setdefault(_pool_key(action), f"p{len(pools) + 1}")
    if action.algorithm != "source-destination-hash":
        entry["algorithm"] = action.algorithm
    return entry


def _pool_key(action: ImportedAction) -> _PoolKey:
    return action.addresses, str(action.ports or ""), action.stack


def _pool(key: _PoolKey, keeps_port_class: bool) -> Document:
    addresses, ports, stack = key
    pool: Document = {"address": [str(one) for one in addresses]}
    if ports:
        pool["ports"] = ports
    elif keeps_port_class:
        pool |= {"ports": str(ALL_PORTS), "port-class": "preserve"}
    if stack:
        pool["unmatched"] = "stack"
    return pool


def _interfaces(imported: Imported) -> Document:
    outside = {rule.match.out_interface for rule in imported.rules} - {None}
    roles = {str(name): {"role": "outside"} for name in sorted(map(str, outside))}
    return roles | {name: {"role": "inside"} for name in imported.inside if name not in roles}


def _shared(rules: list[SourceRule]) -> list[Finding]:
    """Report pools that overlap without being equal: here an address belongs to one pool only."""
    first: dict[_PoolKey, SourceRule] = {}
    for rule in rules:
        if rule.action.addresses:
            first.setdefault(_pool_key(rule.action), rule)
    spans = sorted(
        ((span.first, span.last, number) for number, key in enumerate(first) for span in key[0]),
    )
    held, findings, reported = list(first.values()), [], set[tuple[int, int]]()
    highest, owner = None, 0
    for begin, end, number in spans:
        overlaps = highest is not None and begin <= highest and number != owner
        if overlaps and (owner, number) not in reported:
            reported.add((owner, number))
            reason = (
                f"addresses overlap those of line {held[owner].location.line} without being equal; "
                "a commit expects each address in one pool only"
            )
            findings.append(Finding(held[number].location, "differs", reason))
        if highest is None or end > highest:
            highest, owner = end, number
    return findings
