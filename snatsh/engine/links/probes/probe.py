# SPDX-License-Identifier: Apache-2.0
"""What every kind of probe is to who schedules it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from snatsh.engine.links.probes.port import ETH_P_IP, Filter, PacketSocket, ProbePort

Result = Callable[[int, bool], None]
"""Told of the number of a probe, and whether the answer was good."""


class Probe(ABC):
    """Probes one target. Numbers grow by one; results may come in any order, late, or never."""

    @abstractmethod
    def send(self, number: int) -> None:
        """OSError when it can't be sent."""

    @abstractmethod
    def read(self) -> None:
        """Take answers that wait in a socket."""

    @abstractmethod
    def forget(self, number: int) -> None:
        """No answer came in time."""

    @abstractmethod
    def close(self) -> None: ...


class IpProbe(Probe):
    """A probe that lives on IPv4 packets from its target."""

    def __init__(self, port: ProbePort, target: bytes, result: Result, wanted: Filter) -> None:
        self.port = port
        self.own, self.target = port.place.own, target
        self.result = result
        self._answers = PacketSocket(port.place, ETH_P_IP, wanted, self.received)

    @abstractmethod
    def received(self, data: bytes) -> None:
        """A packet from the target."""

    def read(self) -> None:
        self._answers.read()

    def forget(self, number: int) -> None:
        self.port.doubt()

    def close(self) -> None:
        self._answers.close()
