# SPDX-License-Identifier: Apache-2.0
"""What became of each source line, for people and as data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from snatsh.interop.intermediate import Finding, SourceLocation

_HEADS = {
    "no-counterpart": "Has no counterpart here, and is left out",
    "differs": "Behaves differently here",
    "trap": "Did not do there what it says; not repeated here",
    "passed-over": "Passed over, no matter of source NAT",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A source line and a rule that it became."""

    place: SourceLocation
    text: str
    rule: int


@dataclass(frozen=True, slots=True)
class Report:
    dialect: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    unmatched: str

    @property
    def data(self) -> dict[str, Any]:
        return {
            "dialect": self.dialect,
            "default_action": self.unmatched,
            "rules": [
                {"line": row.place.line, "column": row.place.column, "text": row.text, "rule": row.rule}
                for row in self.rows
            ],
            "findings": [
                {"line": one.place.line, "column": one.place.column, "kind": one.kind, "text": one.text}
                for one in self.findings
            ],
        }

    def text(self) -> str:
        lines = [f"dialect {self.dialect}, {len(self.rows)} rules; without a rule: {self.unmatched}"]
        lines += [_told(list(rows)) for _, rows in groupby(self.rows, key=lambda row: row.place)]
        for kind, head in _HEADS.items():
            found = [one for one in self.findings if one.kind == kind]
            lines += [f"{head}:"] if found else []
            lines += [f"  line {one.place.line}, column {one.place.column}: {one.text}" for one in found]
        return "\n".join(lines) + "\n"


def _told(rows: list[Row]) -> str:
    """A source line, and the first and the last of the rules that it became."""
    first, last = rows[0], rows[-1]
    became = f"rule {first.rule}" if first is last else f"{len(rows)} rules, {first.rule} to {last.rule}"
    return f"  line {first.place.line} -> {became}: {first.text}"
