# SPDX-License-Identifier: Apache-2.0
"""What every importer makes of its text, before it is a profile: rules as they were meant there.

Addresses are the schema's values; None means "any" or "not given". Lines and columns are 1-based.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from snatsh.model.values import Address, AddressRange, PortRange, Prefix

Kind = Literal["no-counterpart", "differs", "trap", "passed-over"]
"""no-counterpart: not in the result. differs: in it, but behaves otherwise. trap: what the other system
does against what was written, not repeated here. passed-over: no matter of translation."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    place: SourceLocation
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class ImportedMatch:
    """What a packet has to have; a field that is None is not asked for."""

    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: str | None = None
    out_interface: str | None = None
    next_hop: Address | None = None
    fwmark: int | None = None


@dataclass(frozen=True, slots=True)
class ImportedAction:
    """What is done with it. `stack`: traffic to the addresses that is no flow belongs to the box."""

    action: Literal["translate", "exempt", "drop"] = "translate"
    addresses: tuple[AddressRange, ...] = ()
    ports: PortRange | None = None
    algorithm: str = "source-destination-hash"
    redirect: Address | None = None
    stack: bool = False


@dataclass(frozen=True, slots=True)
class SourceRule:
    place: SourceLocation
    text: str
    match: ImportedMatch
    outcome: ImportedAction


@dataclass(frozen=True, slots=True)
class Imported:
    """first_match: the rules are tried in order; else the longest prefix wins, as here.

    unmatched: what happens there to traffic of no rule. timeouts: as in a profile's document.
    """

    dialect: str
    rules: tuple[SourceRule, ...]
    findings: tuple[Finding, ...] = ()
    first_match: bool = False
    unmatched: Literal["drop", "pass"] = "drop"
    inside: tuple[str, ...] = ()
    timeouts: dict[str, dict[str, int]] = field(default_factory=dict)
