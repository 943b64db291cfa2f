"""The live console over a million flows: CPU, bytes on the wire, answers, memory. Part of `make bench`.

A real snatd with its pinned maps filled, and `snatsh top` in a pseudo-terminal of 180x50. Every second some
of the flows move, so that what is on the screen changes. `--seconds 3600` is the hour: `make bench-hour`.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from crowd import Crowd
from generator import interface
from rich.console import Console
from rich.table import Table
from rows import TC, document, topology

from snatsh.client import Client
from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab

FLOWS = 1_000_000
MAX_FLOWS = 1 << 20
MOVING = 20_000
COLUMNS, LINES = 180, 50
WARM_UP = 30.0
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


@dataclass
class Terminal:
    """A program in a pseudo-terminal, and how much it wrote."""

    argv: list[str]
    written: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Terminal:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            self.argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._master, 1 << 16)
            except OSError:
                return
            self.written += len(chunk)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def answers(client: Client) -> list[float]:
    """Seconds until each question is answered, everything included."""
    found = []
    for question in QUESTIONS:
        for _ in range(3):
            started = time.monotonic()
            client.live_flows({"limit": LINES, **question})
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


def measure(seconds: float) -> dict[str, Any]:
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
            with Terminal([SNATSH, "top", "--socket", str(snatd.socket), "--screen", "flows"]) as terminal:
                time.sleep(WARM_UP)
                found = watch({"snatd": snatd.pid, "console": terminal.process.pid}, terminal, seconds)
                found["answers"] = answers(snatd.client)
                found["flows"] = snatd.client.live_flows({"limit": 0})["total"]
                assert terminal.process.poll() is None, "the console has ended"
        finally:
            stop.set()
            mover.join()
    return found


def _move(crowd: Crowd, stop: threading.Event) -> None:
    while not stop.wait(1.0):
        crowd.move(MOVING)


def entries(found: dict[str, Any], seconds: float) -> list[dict[str, object]]:
    cores = sum(found["cpu"].values())
    rows = (
        ("console-cpu", round(cores, 3), "cores", 0.5),
        ("console-cpu-snatd", round(found["cpu"]["snatd"], 3), "cores", None),
        ("console-cpu-top", round(found["cpu"]["console"], 3), "cores", None),
        ("console-wire", round(found["wire"]), "bytes/s", 20_000),
        ("console-answer-median", round(statistics.median(found["answers"]), 3), "s", 0.5),
        ("console-answer-slowest", round(max(found["answers"]), 3), "s", 0.5),
        ("console-memory-snatd", found["memory"]["snatd"] >> 20, "MiB", None),
        ("console-memory-top", found["memory"]["console"] >> 20, "MiB", None),
        ("console-growth-snatd", round(found["growth"]["snatd"] / 2**20, 1), "MiB", None),
        ("console-growth-top", round(found["growth"]["console"] / 2**20, 1), "MiB", None),
    )
    return [
        {
            "name": name,
            "flows": found["flows"],
            "value": value,
            "unit": unit,
            "limit": limit,
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
        table.add_row(str(row["name"]), f"{row['flows']:,}", str(row["value"]), str(row["unit"]), limit)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--output", type=Path, default=Path("build/bench-console.json"))
    options = parser.parse_args()
    rows = entries(measure(options.seconds), options.seconds)
    show(rows)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
