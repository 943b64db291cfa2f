# SPDX-License-Identifier: Apache-2.0
"""Zones of lvs-snat v1, by ipvsadm or keepalived."""

from __future__ import annotations

from snatsh.interop import text
from snatsh.interop.intermediate import Finding, Imported, ImportedAction, ImportedMatch, SourceRule
from snatsh.interop.text import ShellWord
from snatsh.model.values import AddressRange


def zone_rules(
    dialect: str, zones: list[tuple[ShellWord, list[AddressRange]]], findings: list[Finding]
) -> Imported:
    """The rules of the zones, in the order in which they are tried."""
    rules = []
    for zone, held in zones:
        prefix, _ = text.prefix(zone)
        action = (
            ImportedAction(addresses=tuple(held), algorithm="round-robin") if held else ImportedAction("drop")
        )
        rules.append(
            SourceRule(zone.location, f"zone {zone.text}", ImportedMatch(text.given_prefix(prefix)), action)
        )
        if not held:
            reason = "zone without an address: its traffic is dropped, there and here"
            findings.append(Finding(zone.location, "differs", reason))
    return Imported(dialect, tuple(rules), tuple(findings), first_match=True)
