# SPDX-License-Identifier: Apache-2.0
"""TCP probe: SYN, SYN-ACK, RST, without the kernel's TCP, which would use the routing table."""

from __future__ import annotations

import secrets
import socket

from snatsh.engine import packets
from snatsh.engine.links.probes.port import (
    REJECT_ALL,
    SOURCE_PORT,
    LinkEndpoint,
    ProbePort,
    attach_filter,
    from_target,
)
from snatsh.engine.links.probes.probe import IpProbe, Result
from snatsh.engine.packets import ACK, RST, SYN, Segment

PORTS = 8
"""Local ports used in turn, so that remains of a connection at the target do not interfere."""

MASK = 0xFFFFFFFF


class TcpProbe(IpProbe):
    """The target is up if it accepts a connection. A refused one fails at once."""

    def __init__(self, port: ProbePort, target: bytes, target_port: int, result: Result) -> None:
        self._target_port = target_port
        self._held: list[socket.socket] = []
        self._numbers: dict[int, int] = {}
        self._sequences: dict[int, int] = {}
        wanted = (
            *from_target(port.endpoint, target, packets.TCP),
            (SOURCE_PORT, target_port),
        )
        super().__init__(port, target, result, wanted)
        try:
            for _ in range(PORTS):
                self._held.append(hold_port(port.endpoint))
        except OSError:
            self.close()
            raise
        self._local = [held.getsockname()[1] for held in self._held]

    def send(self, number: int) -> None:
        local = self._local[number % PORTS]
        self._numbers[local] = number
        self._sequences[local] = secrets.randbits(32)
        self.transmit(local, self._sequences[local], 0, SYN)

    def received(self, data: bytes) -> None:
        segment = Segment.decode(packets.payload_of(data))
        if segment is None or segment.destination_port not in self._local or segment.flags & RST:
            self._refused(segment)
            return
        local = segment.destination_port
        number, sent = self._numbers.get(local), self._sequences.get(local, 0)
        if number is None or segment.acknowledged != (sent + 1) & MASK:
            # A half-closed connection, left by a lost reset: reset it for the next probe.
            if segment.flags & ACK:
                self.transmit(local, segment.acknowledged, 0, RST)
        elif segment.flags & SYN:
            self.accepted(number, segment)
        else:
            self.followed(number, segment)

    def accepted(self, number: int, segment: Segment) -> None:
        """Receive the SYN-ACK of the target."""
        self.finish(number, segment, True)

    def followed(self, number: int, segment: Segment) -> None:
        """Receive a later segment of the connection."""

    def finish(self, number: int, segment: Segment, good: bool) -> None:
        """Reset the connection and report the result."""
        self._numbers.pop(segment.destination_port, None)
        self.transmit(segment.destination_port, segment.acknowledged, 0, RST)
        self.result(number, good)

    def forget(self, number: int) -> None:
        super().forget(number)
        local = self._local[number % PORTS]
        if self._numbers.get(local) == number:
            del self._numbers[local]
            # After the SYN at most a request was sent; a reset with either number ends it.
            self.transmit(local, (self._sequences[local] + 1) & MASK, 0, RST)

    def transmit(self, local: int, sequence: int, acknowledged: int, flags: int, data: bytes = b"") -> None:
        segment = Segment(local, self._target_port, sequence, acknowledged, flags, data)
        payload = segment.encode(self.own, self.target)
        self.port.send(packets.packet(packets.TCP, self.own, self.target, payload))

    def close(self) -> None:
        super().close()
        for held in self._held:
            held.close()

    def _refused(self, segment: Segment | None) -> None:
        if segment is None:
            return
        local = segment.destination_port
        number = self._numbers.get(local)
        if number is not None and segment.acknowledged == (self._sequences[local] + 1) & MASK:
            del self._numbers[local]
            self.result(number, False)


def hold_port(endpoint: LinkEndpoint) -> socket.socket:
    """Reserve a local port, listening but deaf, so that the kernel does not reset connections to it."""
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, endpoint.interface.encode() + b"\0")
        attach_filter(held, REJECT_ALL)
        held.bind((socket.inet_ntoa(endpoint.own), 0))
        held.listen(1)
    except OSError:
        held.close()
        raise
    return held
