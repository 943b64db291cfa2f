# SPDX-License-Identifier: Apache-2.0
"""The figures of the benchmark, as a table and as JSON."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.gateways import IPTABLES, LIMIT, Row


@dataclass(frozen=True, slots=True)
class Entry:
    """ratio_to_iptables, ratio_to_limit: medians of the ratios within each round; None where there are none.

    For times a ratio below 1 is the better one.
    """

    measure: str
    name: str
    hook: str | None
    flows: int | None
    value: float
    unit: str
    ratio_to_iptables: float | None = None
    ratio_to_limit: float | None = None
    note: str = ""


def entries(
    measure: str, unit: str, samples: Mapping[Row, Sequence[float]], flows: int | None = None, note: str = ""
) -> list[Entry]:
    """A row each, with its median and its ratios within the rounds."""
    return [
        Entry(
            measure,
            row.name,
            row.hook,
            flows,
            round(statistics.median(values), 1),
            unit,
            ratio(values, samples.get(IPTABLES)),
            ratio(values, samples.get(LIMIT)),
            note,
        )
        for row, values in samples.items()
    ]


def ratio(values: Sequence[float], base: Sequence[float] | None) -> float | None:
    """The median of the ratios, round by round."""
    if base is None:
        return None
    return round(statistics.median(a / b for a, b in zip(values, base, strict=True)), 3)


def show(found: list[Entry]) -> None:
    table = Table("measured", "what", "hook", "flows", "value", "", "to iptables", "to limit", "")
    for column in (3, 4, 6, 7):
        table.columns[column].justify = "right"
    measure = None
    for entry in found:
        if measure not in (None, entry.measure):
            table.add_section()
        measure = entry.measure
        table.add_row(
            entry.measure,
            entry.name,
            entry.hook or "",
            "" if entry.flows is None else f"{entry.flows:,}",
            f"{entry.value:,.1f}" if entry.value < 1000 else f"{entry.value:,.0f}",
            entry.unit,
            _factor(entry.ratio_to_iptables),
            _factor(entry.ratio_to_limit),
            entry.note,
        )
    Console(width=None if sys.stdout.isatty() else 130).print(
        table,
        f"Linux {os.uname().release}, {os.cpu_count()} CPUs; a sample's packets on one of them, 64-byte UDP."
        " Offloads of the ports: checksums off, GRO on. iperf3: checksums on too, but for XDP.",
    )


def save(found: list[Entry], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(entry) for entry in found], indent=2) + "\n")


def progress(text: str) -> None:
    """On a terminal alone, in one line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _factor(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
