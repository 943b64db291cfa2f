# SPDX-License-Identifier: Apache-2.0
"""ARP: whether an address on the link itself is there."""

from __future__ import annotations

from snatsh.engine.links.probes import frames
from snatsh.engine.links.probes.frames import ArpMessage
from snatsh.engine.links.probes.port import ARP_SENDER, BROADCAST, ETH_P_ARP, PacketSocket, ProbePort
from snatsh.engine.links.probes.probe import Probe, Result


class ArpProbe(Probe):
    """Asks the MAC it knows, so that a busy segment is left alone, and everybody after a loss."""

    def __init__(self, port: ProbePort, target: bytes, result: Result) -> None:
        self._place = port.place
        self._target = target
        self._result = result
        self._mac = BROADCAST
        self._sent: list[int] = []
        wanted = ((ARP_SENDER, int.from_bytes(target, "big")),)
        self._socket = PacketSocket(port.place, ETH_P_ARP, wanted, self._received)

    def send(self, number: int) -> None:
        place = self._place
        self._sent.append(number)
        self._socket.send(frames.arp_request(place.mac, place.own, self._target), self._mac)

    def read(self) -> None:
        self._socket.read()

    def forget(self, number: int) -> None:
        self._mac = BROADCAST
        if number in self._sent:
            self._sent.remove(number)

    def close(self) -> None:
        self._socket.close()

    def _received(self, data: bytes) -> None:
        message = ArpMessage.decode(data)
        if message is None or not message.is_reply or message.asked_by != self._place.own:
            return
        self._mac = message.mac
        # An answer does not say which question it belongs to. The kernel's own questions get some, too.
        if self._sent:
            self._result(self._sent.pop(0), True)
