# SPDX-License-Identifier: Apache-2.0
"""iperf3 over TCP through each gateway: real senders and receivers, with their kernels' offloads."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from ipaddress import IPv4Network

from snatsh.lab.namespaces import Lab, LabError
from snatsh.lab.topology import Cable, LabNode, LabPort, LabRoute, Topology
from tests.bench.gateways import Row
from tests.bench.generator import INSIDE, Frames
from tests.bench.report import Entry, entries, progress

ROOM = 1 << 18
SERVER = "1.1.2.1"
POOL_PREFIX = IPv4Network("1.1.2.64/26")
CLIENT = f"{INSIDE[9]}/{INSIDE.prefixlen}"


def topology(rows: Sequence[Row]) -> Topology:
    """A client and a server per gateway. Checksums are left to the receiver but with XDP, which can't."""
    nodes, cables = [], []
    for row in rows:
        left = row.hook != "xdp"
        nodes.append(LabNode(f"client-{row.label}", routes=(LabRoute("default", str(INSIDE[1])),)))
        nodes.append(LabNode(row.gateway, forwards=True))
        # A route to the pool: not all of them answer ARP for it. To those inside where nothing is translated.
        target = str(POOL_PREFIX) if row.translates else "default"
        nodes.append(LabNode(row.sink, routes=(LabRoute(target, "1.1.2.2"),)))
        inside = LabPort(row.gateway, "eth0", f"{INSIDE[1]}/{INSIDE.prefixlen}", gro=True, tx_checksum=left)
        outside = LabPort(row.gateway, "eth1", "1.1.2.2/24", gro=True, tx_checksum=left)
        cables.append(
            Cable(inside, LabPort(f"client-{row.label}", "eth0", CLIENT, gro=True, tx_checksum=left))
        )
        cables.append(Cable(outside, LabPort(row.sink, "eth0", f"{SERVER}/24", gro=True, tx_checksum=left)))
    return Topology(tuple(nodes), tuple(cables))


def measure(frames: Frames, rows: Sequence[Row], rounds: int, seconds: float) -> list[Entry]:
    with Lab(topology(rows)) as lab:
        for row in rows:
            row.prepare(lab, row, frames, ROOM)
            lab.spawn(row.sink, "iperf3", "--server", log=f"{row.label}-iperf3.log")
        time.sleep(0.5)
        samples: dict[Row, list[float]] = {row: [] for row in rows}
        for number in range(rounds):
            progress(f"iperf3: round {number + 1} of {rounds}")
            for row in rows:
                samples[row].append(_stream(lab, row, seconds))
    return entries("iperf3 TCP, one stream", "Gbit/s", samples, 1)


def _stream(lab: Lab, row: Row, seconds: float) -> float:
    options = ("--client", SERVER, "--json", "--time", f"{seconds:g}", "--omit", "0")
    done = lab[f"client-{row.label}"].run("iperf3", *options, check=False)
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise LabError(f"{row.label}: iperf3: {answer['error']}")
    return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e9
