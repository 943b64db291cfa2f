# SPDX-License-Identifier: Apache-2.0
"""New flows at a steady rate from the kernel's packet generator, and what the datapath makes of them.

snatd is not asked for anything: it may be dead. Counters and gauges are read from the pinned maps.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import yaml

from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.flows import now_ticks
from snatsh.datapath.loading import recovery
from snatsh.datapath.reasons import DROP_REASONS
from snatsh.interpreter import run_module
from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.services import ECHO_PORT, wait_listening
from snatsh.lab.topology import Cable, LabNode, LabPort, LabRoute, Topology
from tests.bench.generator import INSIDE, Frames, Plan
from tests.waiting import wait

SERVER = "8.8.8.8"
INSIDE_MAC = "02:00:00:00:40:01"
TURN = 0.1
"""Seconds from one batch of new flows to the next."""
PORTS = 60_000
"""New flows of a host towards one destination; then comes the next destination."""


def topology() -> Topology:
    """A generator and a client behind a gateway, and a next hop that is the server, too."""
    return Topology(
        nodes=(
            LabNode("generator"),
            LabNode("client", routes=(LabRoute("default", "192.168.40.1"),)),
            LabNode("gateway", forwards=True, routes=(LabRoute("default", "1.1.2.1"),)),
            LabNode("server", loopback=(SERVER,)),
        ),
        cables=(
            Cable(
                LabPort("gateway", "eth0", f"{INSIDE[1]}/{INSIDE.prefixlen}", gro=True, mac=INSIDE_MAC),
                LabPort("generator", "eth0", gro=True),
            ),
            Cable(
                LabPort("gateway", "eth2", "192.168.40.1/24", gro=True),
                LabPort("client", "eth0", "192.168.40.9/24", gro=True),
            ),
            Cable(
                LabPort("gateway", "eth1", "1.1.2.2/24", gro=True),
                LabPort("server", "eth0", "1.1.2.1/24", gro=True),
            ),
        ),
    )


def document(hook: str, limits: dict[str, Any], timeouts: dict[str, Any]) -> dict[str, Any]:
    roles = {"eth0": "inside", "eth2": "inside", "eth1": "outside"}
    return {
        "interfaces": {name: {"role": role, "hook": hook} for name, role in roles.items()},
        "pools": {"a": {"address": ["1.1.2.64-1.1.2.127"]}},
        "rules": {"10": {"out-interface": "eth1", "pool": "a"}},
        "limits": limits,
        "timeouts": timeouts,
    }


@contextmanager
def gateway(hook: str, frames: Frames, limits: dict[str, Any], timeouts: dict[str, Any]) -> Iterator[Snatd]:
    """snatd with these limits and timeouts, and a server that takes connections and drops datagrams."""
    with Lab(topology()) as lab:
        lab.spawn("server", *run_module("snatsh.lab.services", SERVER), log="services.log")
        wait_listening(lab["server"], {("tcp", SERVER, ECHO_PORT)}, 10)
        profile = lab.folder / "profile.yaml"
        profile.write_text(yaml.safe_dump(document(hook, limits, timeouts)))
        snatd = Snatd(lab)
        snatd.start(profile)
        wait(lambda: connects(lab), "the pool's addresses answer ARP")
        frames.attach_counter(lab["server"], "eth0")
        yield snatd


class Pinned:
    """The datapath as its pins show it."""

    def __init__(self, pins: Path) -> None:
        (folder,) = pins.glob("v*-*")
        self._maps = recovery.pinned_set(folder).maps
        self.table = FlowTable(self._maps, {})

    def drops(self) -> dict[str, int]:
        """Dropped packets by reason, those that occurred."""
        _, counts = self._maps["drops"].dump()
        packets = counts["packets"].reshape(len(DROP_REASONS), -1).sum(axis=1)
        return {reason: int(packets[at]) for at, reason in enumerate(DROP_REASONS) if packets[at]}

    def gauges(self) -> tuple[int, int, int]:
        """Flows in the table, expired ones too; ports in use of pool addresses; sessions of subscribers."""
        _, usage = self._maps["address_usage"].dump()
        _, subscribers = self._maps["subscribers"].dump()
        ports = sum(int(usage[name].sum(dtype=np.int64)) for name in ("tcp", "udp", "icmp"))
        return len(self.table), ports, int(subscribers["sessions"].sum(dtype=np.int64))

    def expired(self) -> int:
        return len(self.table.expired(now_ticks()))


@dataclass(slots=True)
class Probes:
    """New TCP connections of a client to the server, one after the other."""

    lab: Lab
    made: int = 0
    failed: int = 0

    def connect(self) -> None:
        if connects(self.lab):
            self.made += 1
        else:
            self.failed += 1


def connects(lab: Lab) -> bool:
    """Whether the client gets a connection to the server."""
    with lab["client"].entered(), socket.socket() as connection:
        connection.settimeout(2)
        try:
            connection.connect((SERVER, ECHO_PORT))
            return bool(connection.recv(1))
        except OSError:
            return False


class NewFlows:
    """`with NewFlows(...)`: so many new flows a second, from `clients` addresses in turn."""

    def __init__(self, lab: Lab, frames: Frames, rate: int, clients: int) -> None:
        self._generator = lab["generator"]
        self._frames = frames
        self._rate = rate
        self._plan = Plan("eth0", INSIDE_MAC, flows=PORTS * clients, clients=clients)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def __enter__(self) -> NewFlows:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic()
        with self._generator.entered():
            while not self._stop.wait(TURN):
                self._send(int((time.monotonic() - begun) * self._rate) - self.sent)

    def _send(self, count: int) -> None:
        destination, first = divmod(self.sent, self._plan.flows)
        count = min(count, self._plan.flows - first)
        self._frames.load_plan(
            self._generator, replace(self._plan, first=first, destination=f"203.0.113.{9 + destination}")
        )
        self._frames.send(count)
        self.sent += count
