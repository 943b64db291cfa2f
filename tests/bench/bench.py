"""Packets per second through the gateway and through what it replaces, from one run: `make bench`.

The rows take turns, so that a machine that slows down slows all of them; ratios are medians of the ratios
within each round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

from frames import Frames, Plan
from rich.console import Console
from rich.table import Table
from rows import INSIDE_MAC, IPTABLES, LIMIT, ROWS, Row, topology

from snatsh.lab.namespaces import Lab, LabError, Namespace

WARM_UP = 50_000
LOSS_WORTH_TELLING = 0.001


class Runner:
    """Sends one row's plan through its gateway, over and over."""

    def __init__(self, row: Row, frames: Frames, generator: Namespace, port: str, flows: int) -> None:
        self._row = row
        self._frames = frames
        self._generator = generator
        self._plan = Plan(port, INSIDE_MAC, flows)
        self.rates: list[float] = []
        self.worst_loss = 0.0

    def warm_up(self) -> None:
        """Addresses get resolved and flows made."""
        self._send(WARM_UP)

    def sample(self, seconds: float) -> None:
        rate, _ = self._send(WARM_UP)
        rate, loss = self._send(max(WARM_UP, int(rate * seconds)))
        self.rates.append(rate)
        self.worst_loss = max(self.worst_loss, loss)

    def _send(self, packets: int) -> tuple[float, float]:
        """Packets per second that arrived, and the share of those sent that did not."""
        before = self._frames.arrived()
        self._frames.load_plan(self._generator, self._plan)
        with self._generator.entered():
            seconds = self._frames.send(packets)
        translated, untranslated = (
            now - then for now, then in zip(self._frames.arrived(), before, strict=True)
        )
        right, wrong = (translated, untranslated) if self._row.translates else (untranslated, translated)
        if wrong:
            raise LabError(f"{self._row.label}: {wrong:,} of {packets:,} packets came out not as they should")
        return right / seconds, 1 - right / packets


def measure(lab: Lab, frames: Frames, flows: int, rounds: int, seconds: float) -> dict[Row, list[float]]:
    runners = {
        row: Runner(row, frames, lab["generator"], f"to{number}", flows) for number, row in enumerate(ROWS)
    }
    for runner in runners.values():
        runner.warm_up()
    for number in range(rounds):
        if sys.stderr.isatty():
            print(f"\r{flows:,} flows: round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        for runner in runners.values():
            runner.sample(seconds)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for row, runner in runners.items():
        if runner.worst_loss > LOSS_WORTH_TELLING:
            print(f"note: {row.label} lost {runner.worst_loss:.1%} of what was sent", file=sys.stderr)
    return {row: runner.rates for row, runner in runners.items()}


def results(samples: dict[Row, list[float]], flows: int) -> list[dict[str, object]]:
    def ratio(row: Row, base: Row) -> float:
        return round(statistics.median(a / b for a, b in zip(samples[row], samples[base], strict=True)), 3)

    return [
        {
            "name": row.name,
            "hook": row.hook,
            "flows": flows,
            "value": round(statistics.median(values)),
            "unit": "packets/s",
            "ratio_to_iptables": ratio(row, IPTABLES),
            "ratio_to_limit": ratio(row, LIMIT),
        }
        for row, values in samples.items()
    ]


def show(entries: list[dict[str, object]]) -> None:
    table = Table("what", "hook", "flows", "Mpps", "to iptables", "to limit")
    for column in table.columns[2:]:
        column.justify = "right"
    for entry in entries:
        table.add_row(
            str(entry["name"]),
            str(entry["hook"] or ""),
            f"{entry['flows']:,}",
            f"{int(str(entry['value'])) / 1e6:.2f}",
            f"{entry['ratio_to_iptables']:.2f}",
            f"{entry['ratio_to_limit']:.2f}",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="length of one sample")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()

    frames = Frames()
    with Lab(topology(ROWS)) as lab:
        for row in ROWS:
            frames.attach_counter(lab[row.sink], "eth0")
            row.prepare(lab, row, frames)
        # From here on one CPU does the measured work, and what was started before may use the others.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        entries = results(measure(lab, frames, options.flows, options.rounds, options.seconds), options.flows)
    show(entries)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
