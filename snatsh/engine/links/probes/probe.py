# SPDX-License-Identifier: Apache-2.0
"""The interface of all kinds of probes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from snatsh.engine.links.probes.port import ETH_P_IP, Filter, PacketSocket, ProbePort

Result = Callable[[int, bool], None]
"""Receives the number of a probe and whether it succeeded."""


class Probe(ABC):
    """Probes one target. Probes are numbered in sequence; results may be out of order, late or missing."""

    @abstractmethod
    def send(self, number: int) -> None:
        """Send a probe. OSError if it cannot be sent."""

    @abstractmethod
    def read(self) -> None:
        """Read pending replies."""

    @abstractmethod
    def forget(self, number: int) -> None:
        """Give up a probe whose reply did not come in time."""

    @abstractmethod
    def close(self) -> None: ...


class IpProbe(Probe):
    """A probe whose replies are IPv4 packets from its target."""

    def __init__(self, port: ProbePort, target: bytes, result: Result, wanted: Filter) -> None:
        self.port = port
        self.own, self.target = port.endpoint.own, target
        self.result = result
        self._replies = PacketSocket(port.endpoint, ETH_P_IP, wanted, self.received)

    @abstractmethod
    def received(self, data: bytes) -> None:
        """Receive a packet from the target."""

    def read(self) -> None:
        self._replies.read()

    def forget(self, number: int) -> None:
        self.port.doubt()

    def close(self) -> None:
        self._replies.close()
