# SPDX-License-Identifier: Apache-2.0
"""ICMP probe: echo request and reply."""

from __future__ import annotations

import secrets

from snatsh.engine import packets
from snatsh.engine.links.probes.port import ProbePort, from_target
from snatsh.engine.links.probes.probe import IpProbe, Result


class IcmpProbe(IpProbe):
    def __init__(self, port: ProbePort, target: bytes, result: Result) -> None:
        self._identifier = secrets.randbelow(1 << 16)
        self._token = secrets.token_bytes(16)  # so that only a host on the path can reply
        self._sent: dict[int, int] = {}
        super().__init__(port, target, result, from_target(port.endpoint, target, packets.ICMP))

    def send(self, number: int) -> None:
        sequence = number & 0xFFFF
        message = packets.echo(self._identifier, sequence, self._token)
        self._sent[sequence] = number
        self.port.send(packets.packet(packets.ICMP, self.own, self.target, message))

    def received(self, data: bytes) -> None:
        reply = packets.echo_reply(packets.payload_of(data))
        if reply is None:
            return
        identifier, sequence, token = reply
        if (identifier, token) == (self._identifier, self._token) and sequence in self._sent:
            self.result(self._sent.pop(sequence), True)

    def forget(self, number: int) -> None:
        super().forget(number)
        self._sent.pop(number & 0xFFFF, None)
