# SPDX-License-Identifier: Apache-2.0
"""Packets per second of established flows, and new flows per second."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from snatsh.lab.namespaces import Lab, LabError, Namespace
from tests.bench.gateways import INSIDE_MAC, Row, port
from tests.bench.generator import REMOTE, Frames, Plan
from tests.bench.report import progress

WARM_UP = 50_000
ENDLESS = 0xFFFF_FFFF
LOSS_WORTH_TELLING = 0.001


class Runner:
    """Sends packets through one row's gateway."""

    def __init__(
        self, row: Row, frames: Frames, generator: Namespace, number: int, destination: str = REMOTE
    ) -> None:
        self._row = row
        self._frames = frames
        self._generator = generator
        self._port = port(number)
        self._destination = destination
        self._opened = 0
        self._worst_loss = 0.0

    def known(self, flows: int, seconds: float, stride: int) -> float:
        """Packets per second that arrive, of flows that are there; each of them at least once."""
        rate = self._send(Plan(self._port, INSIDE_MAC, flows), max(WARM_UP, flows - self._opened))
        self._opened = max(self._opened, flows)
        plan = Plan(self._port, INSIDE_MAC, flows, stride=stride)
        return self._send(plan, max(WARM_UP, flows, int(rate * seconds)))

    def fresh(self, seconds: float) -> float:
        """Flows opened per second: every packet is the first of its flow."""
        return self.open(max(WARM_UP, int(self.open(WARM_UP // 2) * seconds)))

    def open(self, flows: int) -> float:
        """The same for so many flows."""
        plan = Plan(self._port, INSIDE_MAC, ENDLESS, first=self._opened, destination=self._destination)
        self._opened += flows
        return self._send(plan, flows)

    def _send(self, plan: Plan, packets: int) -> float:
        """Packets per second that arrived as they should."""
        before = self._frames.arrived()
        self._frames.load_plan(self._generator, plan)
        with self._generator.entered():
            seconds = self._frames.send(packets)
        translated, untranslated = (
            now - then for now, then in zip(self._frames.arrived(), before, strict=True)
        )
        right, wrong = (translated, untranslated) if self._row.translates else (untranslated, translated)
        if wrong:
            raise LabError(f"{self._row.label}: {wrong:,} of {packets:,} packets came out not as they should")
        self._worst_loss = max(self._worst_loss, 1 - right / packets)
        return right / seconds

    def tell_loss(self) -> None:
        if self._worst_loss > LOSS_WORTH_TELLING:
            print(f"note: {self._row.label} lost {self._worst_loss:.1%} of what was sent", file=sys.stderr)


Samples = dict[Row, list[float]]


class Rates:
    """The rows take turns, so that a machine that slows down slows all of them."""

    def __init__(self, lab: Lab, frames: Frames, rows: Sequence[Row], seconds: float) -> None:
        self._seconds = seconds
        self._runners = {
            row: Runner(row, frames, lab["generator"], number) for number, row in enumerate(rows)
        }

    def known(self, flows: int, rounds: int, rows: Sequence[Row], stride: int = 1) -> Samples:
        """A sample per row and round. The first round, which opens the flows, does not count.

        stride: 1 for the order in which they were opened; a number that has no divisor in common with `flows`
        for one in which no packet's flow lies near the one before in anybody's memory.
        """
        samples: Samples = {row: [] for row in rows}
        for number in range(rounds + 1):
            progress(f"{flows:,} known flows: round {number} of {rounds}")
            for row in rows:
                samples[row].append(self._runners[row].known(flows, self._seconds, stride))
        return {row: values[1:] for row, values in samples.items()}

    def fresh(self, rounds: int, rows: Sequence[Row]) -> Samples:
        samples: Samples = {row: [] for row in rows}
        for number in range(rounds):
            progress(f"new flows: round {number + 1} of {rounds}")
            for row in rows:
                samples[row].append(self._runners[row].fresh(self._seconds))
        return samples

    def tell_loss(self) -> None:
        for runner in self._runners.values():
            runner.tell_loss()
