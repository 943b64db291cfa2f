# SPDX-License-Identifier: Apache-2.0
"""What became of each source line, as text and as data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from snatsh.interop.intermediate import Finding, FindingKind, SourceLocation

_HEADINGS: dict[FindingKind, str] = {
    "no-counterpart": "Not imported, no counterpart here",
    "differs": "Imported, behaves differently here",
    "trap": "Was not enforced as written; not repeated here",
    "passed-over": "Ignored, not source NAT",
}


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A source line and the number of the rule it became."""

    location: SourceLocation
    text: str
    rule: int


@dataclass(frozen=True, slots=True)
class Report:
    dialect: str
    rows: tuple[ReportRow, ...]
    findings: tuple[Finding, ...]
    unmatched: str

    @property
    def data(self) -> dict[str, object]:
        return {
            "dialect": self.dialect,
            "default_action": self.unmatched,
            "rules": [{**_position(row.location), "text": row.text, "rule": row.rule} for row in self.rows],
            "findings": [
                {**_position(one.location), "kind": one.kind, "text": one.text} for one in self.findings
            ],
        }

    def text(self) -> str:
        lines = [f"dialect {self.dialect}, {len(self.rows)} rules; default action {self.unmatched}"]
        lines += [_line(list(rows)) for _, rows in groupby(self.rows, key=lambda row: row.location)]
        for kind, heading in _HEADINGS.items():
            found = [one for one in self.findings if one.kind == kind]
            lines += [f"{heading}:"] if found else []
            for one in found:
                lines.append(f"  line {one.location.line}, column {one.location.column}: {one.text}")
        return "\n".join(lines) + "\n"


def _position(location: SourceLocation) -> dict[str, int]:
    return {"line": location.line, "column": location.column}


def _line(rows: list[ReportRow]) -> str:
    """A source line, and the first and the last of the rules it became."""
    first, last = rows[0], rows[-1]
    became = f"rule {first.rule}" if first is last else f"{len(rows)} rules, {first.rule} to {last.rule}"
    return f"  line {first.location.line} -> {became}: {first.text}"
