# SPDX-License-Identifier: Apache-2.0
"""The live console over a million flows: CPU, bytes on the wire, answers, memory. Part of `make bench`.

A real snatd with its pinned maps filled, and `snatsh top` in a pseudo-terminal of 180x50. Every second some
of the flows move, so that what is on the screen changes. `--seconds 3600` is the hour: `make bench-hour`.
Fails when a limit is exceeded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from snatsh.client import Client
from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab
from snatsh.tui.app import Top
from tests.bench.gateways import TC, document, topology
from tests.bench.generator import interface
from tests.bench.synthetic_flows import Crowd
from tests.bench.terminal import COLUMNS, LINES, Terminal

FLOWS = 1_000_000
MAX_FLOWS = 1 << 20
MOVING = 20_000
WARM_UP, SETTLE = 30.0, 3.0
STARTS = 5
HOUR, MIB = 3600, 2**20
TICKS = os.sysconf("SC_CLK_TCK")

QUESTIONS: tuple[dict[str, str | int], ...] = (
    {"sort": "rate"},
    {"sort": "bytes"},
    {"sort": "source", "turned": "yes"},
    {"sort": "idle", "offset": 500_000},
    {"sort": "age", "source": "10.40.0.0/20", "state": "established"},
    {"sort": "rate", "text": "40.9"},
    {"sort": "bytes", "text": "!443", "protocol": "udp"},
    {"sort": "destination", "text": "113.7:80"},
)

ORDERS = (
    ("bytes", ""), ("idle", ""), ("source", ""), ("rate", "40.9"), ("age", "state=established !443"),
    ("destination", "source=10.40.0.0/20"), ("rate", ""),
)  # fmt: skip
"""Columns to sort by, and filters, as they are typed."""

SCREENS = {
    "flows filtered": "/!443 protocol=udp\r", "flows by destination": "gggg", "dashboard": "1", "pools": "3",
    "links": "4", "rules": "5", "subscribers": "6", "configuration": "7", "log": "8",
}  # fmt: skip
"""What is pressed one after the other, the flows being shown at first."""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answers(client: Client) -> list[float]:
    """Seconds until each question is answered, everything included."""
    return [answered(client, question) for question in QUESTIONS for _ in range(3)]


def answered(client: Client, question: dict[str, str | int]) -> float:
    started = time.monotonic()
    client.live_flows({"limit": LINES, **question})
    return time.monotonic() - started


async def shown(socket: Path) -> list[float]:
    """Seconds from an order or a filter to its rows on the screen."""
    app = Top(Client(socket, timeout=30), mode="flows")
    found = []
    async with app.run_test(size=(COLUMNS, LINES)):
        screen: Any = app.screen
        while screen.data is None:
            await asyncio.sleep(0.05)
        for column, text in ORDERS:
            await asyncio.sleep(0.3)
            before, started = screen.data, time.monotonic()
            screen.filter = text
            screen.order(column, turned=False)
            while screen.data is before or screen.table.sort not in str(screen.query_one("#caption").text):
                await asyncio.sleep(0.002)
            found.append(time.monotonic() - started)
    return found


def starts(argv: list[str]) -> list[float]:
    """Seconds from the command to the first screen with what snatd said on it."""
    found = []
    for _ in range(STARTS):
        started = time.monotonic()
        with Terminal(argv) as terminal:
            terminal.wait_for("● OK", "minor", "ALARM")
            found.append(time.monotonic() - started)
    return found


def watch(pids: dict[str, int], terminal: Terminal, seconds: float) -> dict[str, Any]:
    """CPU and bytes over the time, memory at its thirds."""
    begun, wrote = time.monotonic(), terminal.written
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    memory: dict[str, list[int]] = {name: [] for name in pids}
    while time.monotonic() - begun < seconds:
        time.sleep(1.0)
        for name, pid in pids.items():
            memory[name].append(resident(pid))
        if len(memory["snatd"]) % 60 == 0:
            said = ", ".join(f"{name} {values[-1] >> 20} MiB" for name, values in memory.items())
            print(f"{(time.monotonic() - begun) / 60:4.0f} min: {said}", file=sys.stderr, flush=True)
    wall = time.monotonic() - begun
    cpu = {name: (cpu_seconds(pid) - before[name]) / wall for name, pid in pids.items()}
    third = max(1, len(memory["snatd"]) // 3)
    # The peak of the last third against that of the middle one: what grows without end shows here.
    growth = {name: max(values[-third:]) - max(values[third : 2 * third]) for name, values in memory.items()}
    return {
        "cpu": cpu,
        "wire": (terminal.written - wrote) / wall,
        "memory": {name: max(values) for name, values in memory.items()},
        "growth": growth,
        "minutes": {name: [value >> 20 for value in values[::60]] for name, values in memory.items()},
    }


def measure(seconds: float, each: float) -> dict[str, Any]:
    row = TC
    with Lab(topology([row])) as lab:
        snatd = Snatd(lab, row.gateway)
        profile = lab.folder / "profile.yaml"
        profile.write_text(yaml.safe_dump(document("tc")))
        snatd.start(profile, "--max-flows", str(MAX_FLOWS))
        crowd = Crowd(snatd.pins, MAX_FLOWS)
        crowd.fill(FLOWS, interface(lab[row.gateway], "eth1")[0], 10)
        stop = threading.Event()
        mover = threading.Thread(target=lambda: _move(crowd, stop), daemon=True)
        mover.start()
        try:
            command = [SNATSH, "top", "--socket", str(snatd.socket)]
            found: dict[str, Any] = {"starts": starts(command)}
            with Terminal([*command, "--screen", "flows"]) as terminal:
                time.sleep(WARM_UP)
                pids = {"snatd": snatd.pid, "console": terminal.process.pid}
                found |= watch(pids, terminal, seconds)
                found["screens"] = {
                    name: _screen(terminal, pids, keys, each) for name, keys in SCREENS.items()
                }
                # Nobody has looked at the flows for a while: the first who does waits for a reading.
                found["first"] = answered(snatd.client, {"sort": "rate"})
                terminal.press("2")
                found["answers"] = answers(snatd.client)
                assert terminal.process.poll() is None, "the console has ended"
            found["shown"] = asyncio.run(shown(snatd.socket))
            found["flows"] = snatd.client.live_flows({"limit": 0}).total
        finally:
            stop.set()
            mover.join()
    return found


def _screen(terminal: Terminal, pids: dict[str, int], keys: str, seconds: float) -> dict[str, Any]:
    terminal.press(keys)
    time.sleep(SETTLE)
    return watch(pids, terminal, seconds)


def _move(crowd: Crowd, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        crowd.move(MOVING)


def entries(found: dict[str, Any], seconds: float) -> list[dict[str, object]]:
    hour = seconds >= HOUR
    rows: list[tuple[str, float, str, float | None]] = [
        ("console-start", statistics.median(found["starts"]), "s", 1.0),
        ("console-cpu", sum(found["cpu"].values()), "cores", 0.5),
        ("console-cpu-snatd", found["cpu"]["snatd"], "cores", None),
        ("console-cpu-top", found["cpu"]["console"], "cores", None),
        ("console-wire", found["wire"], "bytes/s", 20_000),
        ("console-first-look", found["first"], "s", None),
        ("console-answer-median", statistics.median(found["answers"]), "s", 0.5),
        ("console-answer-slowest", max(found["answers"]), "s", 0.5),
        ("console-shown-median", statistics.median(found["shown"]), "s", 0.5),
        ("console-shown-slowest", max(found["shown"]), "s", 0.5),
        ("console-memory-snatd", found["memory"]["snatd"] / MIB, "MiB", 1024),
        ("console-memory-top", found["memory"]["console"] / MIB, "MiB", 128),
        ("console-growth-snatd", found["growth"]["snatd"] / MIB, "MiB", 32 if hour else None),
        ("console-growth-top", found["growth"]["console"] / MIB, "MiB", 8 if hour else None),
    ]
    for name, one in found["screens"].items():
        rows.append((f"console-cpu on {name}", sum(one["cpu"].values()), "cores", 0.5))
        rows.append((f"console-wire on {name}", one["wire"], "bytes/s", 20_000))
    return [
        {
            "name": name,
            "flows": found["flows"],
            "value": round(value, 3) if value < 10 else round(value),
            "unit": unit,
            "limit": limit,
            "within": limit is None or value <= limit,
            "seconds": seconds,
        }
        for name, value, unit, limit in rows
    ]


def show(rows: list[dict[str, object]]) -> None:
    table = Table("console", "flows", "value", "unit", "limit")
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in rows:
        limit = "" if row["limit"] is None else str(row["limit"])
        limit += "" if row["within"] else " EXCEEDED"
        table.add_row(str(row["name"]), f"{row['flows']:,}", str(row["value"]), str(row["unit"]), limit)
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="on the flows, for memory and CPU")
    parser.add_argument("--each", type=float, default=25, help="seconds on each other screen")
    parser.add_argument("--output", type=Path, default=Path("build/bench-console.json"))
    options = parser.parse_args()
    rows = entries(measure(options.seconds, options.each), options.seconds)
    show(rows)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["within"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
