# SPDX-License-Identifier: Apache-2.0
"""The gateway beside what it replaces, measured in one run: `make bench`.

All gateways are up at once and take turns, so that a machine that slows down slows all of them; ratios are
medians of the ratios within each round. The table says what was measured; `report.py` what a ratio is.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from snatsh.lab.namespaces import Lab
from tests.bench import commits, conntrack, costs, latency, pool_exhaustion, throughput
from tests.bench.gateways import FEW_RULES, LIMIT, MANY_RULES, ROWS, TC, TRANSLATING, XDP, topology
from tests.bench.generator import Frames
from tests.bench.packet_rates import Rates
from tests.bench.report import Entry, entries, progress, ratio, save, show

ROUNDS = {1_000: 9, 100_000: 7, 1_000_000: 5}
"""By number of known flows."""

SIZES = {1 << 18: (1_000, 100_000), 1 << 22: (1_000_000,)}
"""Known flows by the room that all tables have, connection tracking's too: the default, and plenty."""

FAR = 611_953
"""Flows from one packet's to the next one's, where they come in no order."""

PARTS = ("known", "new", "latency", "commits", "costs", "streams")


def measure_gateways(options: argparse.Namespace, frames: Frames, found: list[Entry], room: int) -> None:
    """What needs all gateways side by side. All but known flows with the most room alone."""
    parts = set(options.only) if room == max(SIZES) else set(options.only) & {"known"}
    rows = [*ROWS, FEW_RULES, MANY_RULES] if "new" in parts else ROWS
    with conntrack.sized_for(room), Lab(topology(rows)) as lab:
        for row in rows:
            progress(f"setting up {row.label}")
            frames.attach_counter(lab[row.sink], "eth0")
            row.prepare(lab, row, frames, room)
        # From here on one CPU does the measured work, and what was started before may use the others.
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cpus)})
        rates = Rates(lab, frames, rows, options.seconds)
        for flows in SIZES[room] if "known" in parts else ():
            if flows <= options.flows:
                samples = rates.known(flows, ROUNDS[flows], ROWS)
                found += entries("known flows", "packets/s", samples, flows, f"room for {room:,}")
        if "known" in parts and room == max(SIZES) and options.flows == max(ROUNDS):
            samples = rates.known(options.flows, ROUNDS[options.flows], ROWS, FAR)
            found += entries("known, in disorder", "packets/s", samples, options.flows, f"room for {room:,}")
        if "new" in parts:
            found += new_flows(rates)
        rates.tell_loss()
        if "latency" in parts:
            found += latency.measure(lab, frames, [row for row in ROWS if row is not LIMIT], rows, 8_000)
        if "commits" in parts:
            for row in (XDP, TC):
                found += commits.measure(lab, frames, row, rows)
            memory = XDP.snatd(lab).client.resources().bytes_per_flow
            found.append(Entry("memory", "snatsh", None, room, memory, "bytes/flow"))
        os.sched_setaffinity(0, cpus)


def new_flows(rates: Rates) -> list[Entry]:
    samples = rates.fresh(9, [*TRANSLATING, FEW_RULES, MANY_RULES])
    *others, many = entries("new flows", "flows/s", samples)
    share = ratio(samples[MANY_RULES], samples[FEW_RULES])
    return [*others, replace(many, note=f"{share:.2f} of that with 10 rules")]


def measure(options: argparse.Namespace, found: list[Entry]) -> None:
    frames = Frames()
    for room in SIZES:
        if set(options.only) & ({"known", "new", "latency", "commits"} if room == max(SIZES) else {"known"}):
            measure_gateways(options, frames, found, room)
    if "new" in options.only:
        found += pool_exhaustion.measure(frames)
    if "costs" in options.only:
        found += costs.measure()
    if "streams" in options.only:
        rows = [row for row in ROWS if row.hook != "xdp" or row is XDP]
        found += throughput.measure(frames, rows, 5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=max(ROUNDS), help="known flows at the most")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of one sample")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part of it; may be repeated")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()
    options.only = options.only or list(PARTS)

    found: list[Entry] = []
    try:
        measure(options, found)
    finally:
        progress("")
        show(found)
        save(found, options.output)


if __name__ == "__main__":
    main()
