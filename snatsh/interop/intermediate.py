# SPDX-License-Identifier: Apache-2.0
"""The form between a dialect and a profile: rules as the other system meant them.

Addresses are the schema's values; None means any, or not given. Lines and columns are 1-based.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from snatsh.model.values import Address, AddressRange, PortRange, Prefix

FindingKind = Literal["no-counterpart", "differs", "trap", "passed-over"]
"""no-counterpart: not imported. differs: imported, but behaves differently here. trap: the other system did
not do what was written, which is not repeated. passed-over: unrelated to source NAT."""


@dataclass(frozen=True, slots=True)
class SourceLocation:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the operator should know about a line of the source."""

    location: SourceLocation
    kind: FindingKind
    text: str


@dataclass(frozen=True, slots=True)
class ImportedMatch:
    """The match conditions of a rule, named as in the schema; None matches anything."""

    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: str | None = None
    out_interface: str | None = None
    next_hop: Address | None = None
    fwmark: int | None = None

    @property
    def precedence(self) -> tuple[int, int, int]:
        """What decides between matching rules here: prefix lengths, then the number of other fields."""
        others = sum(getattr(self, name) is not None for name in EXACT_FIELDS)
        return _length(self.source), _length(self.destination), others


def _length(prefix: Prefix | None) -> int:
    return prefix.prefixlen if prefix else 0


MATCH_FIELDS = tuple(one.name for one in fields(ImportedMatch))
EXACT_FIELDS = MATCH_FIELDS[2:]
"""Those that match one value rather than a prefix."""

ALL_PORTS = PortRange(1, 65535)


@dataclass(frozen=True, slots=True)
class ImportedAction:
    """What a rule does with a packet. stack: traffic to the addresses that belongs to no flow is local."""

    verdict: Literal["translate", "exempt", "drop"] = "translate"
    addresses: tuple[AddressRange, ...] = ()
    ports: PortRange | None = None
    algorithm: str = "source-destination-hash"
    redirect: Address | None = None
    stack: bool = False


@dataclass(frozen=True, slots=True)
class SourceRule:
    """A rule and the text it was read from."""

    location: SourceLocation
    text: str
    match: ImportedMatch
    action: ImportedAction


NumberedRule = tuple[int, ImportedMatch, ImportedAction]
"""A rule to export, with its number in the profile."""


@dataclass(frozen=True, slots=True)
class Imported:
    """Everything read from a text.

    first_match: the first matching rule wins; otherwise the most specific one, as here.
    unmatched: what the other system does with traffic that matches no rule. inside: interfaces that
    packets come in by. timeouts: as in a profile's document. keeps_port_class: where no ports are given,
    ports below 1024 serve source ports below 1024.
    """

    dialect: str
    rules: tuple[SourceRule, ...]
    findings: tuple[Finding, ...] = ()
    first_match: bool = False
    unmatched: Literal["drop", "pass"] = "drop"
    inside: tuple[str, ...] = ()
    timeouts: dict[str, dict[str, int]] = field(default_factory=dict)
    keeps_port_class: bool = False
