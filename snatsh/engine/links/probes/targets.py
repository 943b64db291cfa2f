# SPDX-License-Identifier: Apache-2.0
"""The targets of a link's monitor, and the probe for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from snatsh.engine.links.probes.arp import ArpProbe
from snatsh.engine.links.probes.http import HttpProbe, get
from snatsh.engine.links.probes.icmp import IcmpProbe
from snatsh.engine.links.probes.port import ProbePort
from snatsh.engine.links.probes.probe import Probe, Result
from snatsh.engine.links.probes.tcp import TcpProbe
from snatsh.engine.links.state_machine import TargetHealth
from snatsh.model.schema.profile import Monitor

KEPT = 300
"""Results kept of each target."""

Make = Callable[[ProbePort, Result], Probe]


@dataclass(slots=True)
class Target:
    """results: round-trip seconds, None for a lost probe; the newest last."""

    kind: str
    address: str
    make: Make
    reach: TargetHealth = field(default_factory=TargetHealth)
    results: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


def targets_of(monitor: Monitor) -> Iterator[Target]:
    """Yield every target, in the order of the schema."""
    for address in monitor.icmp.target if monitor.icmp else ():
        yield Target("icmp", str(address), _icmp(address.packed))
    for address in monitor.arp.target if monitor.arp else ():
        yield Target("arp", str(address), _arp(address.packed))
    for address in monitor.tcp.target if monitor.tcp else ():
        yield Target("tcp", str(address), _tcp(address.packed, monitor.tcp.port if monitor.tcp else 0))
    if monitor.http is not None:
        for address in monitor.http.target:
            request = get(monitor.http.path, monitor.http.host or str(address))
            yield Target("http", str(address), _http(address.packed, monitor.http.port, request))


def _icmp(target: bytes) -> Make:
    return lambda port, result: IcmpProbe(port, target, result)


def _arp(target: bytes) -> Make:
    return lambda port, result: ArpProbe(port, target, result)


def _tcp(target: bytes, number: int) -> Make:
    return lambda port, result: TcpProbe(port, target, number, result)


def _http(target: bytes, number: int, request: bytes) -> Make:
    return lambda port, result: HttpProbe(port, target, number, request, result)
