# SPDX-License-Identifier: Apache-2.0
"""Packets counted before and after the gateway, so that a single lost one shows."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from snatsh.lab.watch import Watch
from tests.e2e.harness import Gateway

SERVER = "8.8.8.8"


class Count:
    """UDP and ICMP packets between a client and a server, counted before and after the gateway.

    Counted by the kernel on the way, so that a socket that is too slow is not taken for a loss. TCP is left
    to its own count of retransmissions: offloads merge its packets.
    """

    def __init__(self, gateway: Gateway, stack: ExitStack) -> None:
        lab = gateway.lab
        self._gateway = gateway

        def watch(node: str, port: str, direction: str) -> Watch:
            return stack.enter_context(
                Watch(lab[node], port, f"ip and (udp or icmp) and {direction} host {SERVER}")
            )

        self._sent = watch("lan", "client-a", "dst")
        self._arrived = watch("server", "eth0", "dst")
        self._answered = watch("isp-a", "eth1", "src")
        self._returned = watch("client-a", "eth0", "src")
        self._cut_before = self._cut()

    def assert_all_came(self, least: int = 5000) -> None:
        """A lab cable whose receiver is kept from its core for long runs full; what it drops is not ours."""
        sent, arrived = self._sent.count(), self._arrived.count()
        answered, returned = self._answered.count(), self._returned.count()
        assert sent > least
        lost = (sent - arrived) + (answered - returned)
        assert 0 <= lost <= self.cut(), self._where_it_went()

    def sent(self) -> int:
        """Packets of the client so far."""
        return self._sent.count()

    def cut(self) -> int:
        """How many packets the lab itself dropped since the start."""
        return self._cut() - self._cut_before

    def _cut(self) -> int:
        """Packets dropped for want of room, by the cables and by the kernel's receive queues."""
        lab = self._gateway.lab
        cables = sum(sum(lab[node.name].dropped().values()) for node in lab.topology.nodes)
        backlog = Path("/proc/net/softnet_stat").read_text().splitlines()
        return cables + sum(int(line.split()[1], 16) for line in backlog)

    def _where_it_went(self) -> str:
        """What the gateway, its kernel and the cables of the lab say they dropped."""
        lab = self._gateway.lab
        cables = {node.name: lab[node.name].dropped() for node in lab.topology.nodes}
        kernel = lab["gateway"].run("nstat", "-a").stdout
        backlog = Path("/proc/net/softnet_stat").read_text()
        return f"{self._gateway.drops()}\n{cables}\n{kernel}\n{backlog}"
