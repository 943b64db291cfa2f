# SPDX-License-Identifier: Apache-2.0
"""ARP probe: an address on the link replies to ARP."""

from __future__ import annotations

from snatsh.engine import packets
from snatsh.engine.links.probes.port import ARP_SENDER, BROADCAST, ETH_P_ARP, PacketSocket, ProbePort
from snatsh.engine.links.probes.probe import Probe, Result
from snatsh.engine.packets import ArpMessage


class ArpProbe(Probe):
    """Sends unicast requests to spare the segment, and broadcasts after a loss."""

    def __init__(self, port: ProbePort, target: bytes, result: Result) -> None:
        self._endpoint = port.endpoint
        self._target = target
        self._result = result
        self._mac = BROADCAST
        self._sent: list[int] = []
        wanted = ((ARP_SENDER, int.from_bytes(target, "big")),)
        self._socket = PacketSocket(port.endpoint, ETH_P_ARP, wanted, self._received)

    def send(self, number: int) -> None:
        endpoint = self._endpoint
        self._sent.append(number)
        self._socket.send(packets.arp_request(endpoint.mac, endpoint.own, self._target), self._mac)

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
        if message is None or not message.is_reply or message.asked_by != self._endpoint.own:
            return
        self._mac = message.mac
        # A reply does not name its request, and the kernel's own requests get replies, too.
        if self._sent:
            self._result(self._sent.pop(0), True)
