# SPDX-License-Identifier: Apache-2.0
"""New flows per second with 5 % of a pool's ports free towards one destination, and with all free."""

from __future__ import annotations

import os
import statistics
from functools import partial

from snatsh.lab.namespaces import Lab
from tests.bench.gateways import Row, snatsh, topology
from tests.bench.generator import REMOTE, Frames
from tests.bench.packet_rates import Runner
from tests.bench.report import Entry, progress

POOL, PORTS = "1.1.2.64-1.1.2.79", 16 * 64_512
ROOM = 1 << 22
SAMPLE = 30_000
DESTINATIONS = (REMOTE, "203.0.113.10", "203.0.113.11")  # each finds the whole pool free
INDEPENDENT = Row("snatsh-eim", "xdp", partial(snatsh, pool=POOL, mapping="endpoint-independent"))
"""A port is taken for all destinations: its pool is filled once."""

ROWS = [*(Row("snatsh", hook, partial(snatsh, pool=POOL)) for hook in ("xdp", "tc")), INDEPENDENT]


def measure(frames: Frames) -> list[Entry]:
    with Lab(topology(ROWS)) as lab:
        for row in ROWS:
            frames.attach_counter(lab[row.sink], "eth0")
            row.prepare(lab, row, frames, ROOM)
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cpus)})
        found = [_measure(lab, frames, row, number) for number, row in enumerate(ROWS)]
        os.sched_setaffinity(0, cpus)
    return found


def _measure(lab: Lab, frames: Frames, row: Row, number: int) -> Entry:
    rates, ratios = [], []
    for destination in DESTINATIONS[:1] if row is INDEPENDENT else DESTINATIONS:
        progress(f"new flows into a full pool: {row.label}, {destination}")
        runner = Runner(row, frames, lab["generator"], number, destination)
        empty = runner.open(SAMPLE)
        runner.open(PORTS * 95 // 100 - SAMPLE * 3 // 2)
        rates.append(runner.open(SAMPLE))
        ratios.append(rates[-1] / empty)
    note = f"{statistics.median(ratios):.2f} of that of an empty pool"
    return Entry(
        "new, 95 % full", row.name, row.hook, PORTS, round(statistics.median(rates), 1), "flows/s", note=note
    )
