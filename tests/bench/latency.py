# SPDX-License-Identifier: Apache-2.0
"""Round trip times of single packets through each idle gateway."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import numpy as np
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from snatsh.lab.namespaces import Lab, LabError
from tests.bench.gateways import INSIDE_MAC, IPTABLES, Row, port
from tests.bench.generator import DESTINATION_PORT, INSIDE, REMOTE, Frames, interface
from tests.bench.report import Entry, progress, ratio

CLIENT = str(INSIDE[4000])
PER_SECOND = 2000
ROUNDS = 8
PERCENTILES = (50, 99, 99.9)
ETH_P_IP = 0x0800
PACKET_IGNORE_OUTGOING = 23


def measure(
    lab: Lab, frames: Frames, rows: Sequence[Row], all_rows: Sequence[Row], packets: int
) -> list[Entry]:
    """p50, p99 and p99.9 of `packets` round trips per row."""
    times: dict[Row, list[float]] = {row: [] for row in rows}
    for row in rows:
        frames.attach_reflector(lab[row.sink], "eth0")
    for number in range(ROUNDS):
        progress(f"round trips: round {number + 1} of {ROUNDS}")
        for row in rows:
            times[row] += _round_trips(lab, row, all_rows.index(row), packets // ROUNDS)
    for row in rows:
        frames.attach_counter(lab[row.sink], "eth0")
    base = np.percentile(times[IPTABLES], PERCENTILES)
    return [
        Entry(
            "round trip",
            row.name,
            row.hook,
            1,
            round(float(value), 1),
            f"µs, p{percentile:g}",
            ratio([float(value)], [float(base[at])]),
        )
        for row in rows
        for at, (percentile, value) in enumerate(
            zip(PERCENTILES, np.percentile(times[row], PERCENTILES), strict=True)
        )
    ]


def _round_trips(lab: Lab, row: Row, number: int, packets: int) -> list[float]:
    """Microseconds each."""
    generator = lab["generator"]
    name = port(number)
    _, mac = interface(generator, name)
    own = mac.hex(":")
    neighbour = (CLIENT, "lladdr", own, "dev", "eth0", "nud", "permanent")
    lab[row.gateway].run("ip", "neigh", "replace", *neighbour)
    header = IP(src=CLIENT, dst=REMOTE) / UDP(sport=5000, dport=DESTINATION_PORT)
    frame = bytes(Ether(src=own, dst=INSIDE_MAC) / header / bytes(18))
    with generator.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with wire:
        wire.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)  # SOL_PACKET
        wire.bind((name, ETH_P_IP))
        wire.settimeout(1.0)
        for _ in range(20):
            _round_trip(wire, frame, row)
        return [_round_trip(wire, frame, row) for _ in range(packets)]


def _round_trip(wire: socket.socket, frame: bytes, row: Row) -> float:
    begun = time.perf_counter_ns()
    wire.send(frame)
    try:
        wire.recv(2000)
    except TimeoutError:
        raise LabError(f"{row.label}: a packet did not come back") from None
    taken = (time.perf_counter_ns() - begun) / 1000
    time.sleep(max(0.0, 1 / PER_SECOND - taken / 1e6))
    return taken
