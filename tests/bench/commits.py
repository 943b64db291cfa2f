# SPDX-License-Identifier: Apache-2.0
"""Duration of a commit under packet load, and its effect on the load."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Sequence

from snatsh.api.configuration import Statement
from snatsh.lab.namespaces import Lab
from tests.bench.gateways import INSIDE_MAC, Row, port
from tests.bench.generator import Frames, Plan
from tests.bench.report import Entry, progress

FLOWS = 1000
SECONDS = 2.0
COMMITS = 10


def measure(lab: Lab, frames: Frames, row: Row, all_rows: Sequence[Row]) -> list[Entry]:
    """Milliseconds per commit; packets per second meanwhile, as a share of those without; packets lost."""
    progress(f"commits under load: {row.label}")
    plan = Plan(port(all_rows.index(row)), INSIDE_MAC, FLOWS)
    quiet = _rate(lab, frames, plan, 200_000)
    packets = int(quiet * SECONDS)
    times: list[float] = []
    committing = threading.Thread(target=_commit, args=(lab, row, times))
    committing.start()
    arrived = frames.arrived()[0]
    busy = _rate(lab, frames, plan, packets)
    committing.join()
    lost = packets - (frames.arrived()[0] - arrived)
    share = round(busy / quiet, 3)
    note = f"{share:.0%} of the packets per second without, {lost} of {packets:,} lost"
    milliseconds = round(statistics.median(times), 1)
    return [Entry("commit under load", row.name, row.hook, FLOWS, milliseconds, "ms", note=note)]


def _rate(lab: Lab, frames: Frames, plan: Plan, packets: int) -> float:
    frames.load_plan(lab["generator"], plan)
    with lab["generator"].entered():
        return packets / frames.send(packets)


def _commit(lab: Lab, row: Row, times: list[float]) -> None:
    everywhere = set(range(os.cpu_count() or 1))
    os.sched_setaffinity(0, everywhere - {max(everywhere)} or everywhere)
    client = row.snatd(lab).client
    for number in range(COMMITS):
        client.edit([Statement("set", ["timeouts", "tcp", "syn", str(20 + number)])])
        begun = time.monotonic()
        client.commit()
        times.append(1000 * (time.monotonic() - begun))
        time.sleep(SECONDS / COMMITS / 2)
