# SPDX-License-Identifier: Apache-2.0
"""What snatd counts as in use now."""

from __future__ import annotations

from typing import NamedTuple

from snatsh.client import Client


class Gauges(NamedTuple):
    """flows: in the table. ports: in use on pool addresses. sessions: of all subscribers."""

    flows: int
    ports: int
    sessions: int


def read_gauges(client: Client) -> Gauges:
    active = [pool.active for pool in client.pools()]
    usage = [address for pool in client.pools() for address in pool.usage]
    ports = sum(part.tcp + part.udp + part.icmp for part in active)
    ports += sum(part.tcp + part.udp + part.icmp for part in usage)
    sessions = sum(subscriber.sessions for subscriber in client.subscribers(1000).subscribers)
    return Gauges(client.flows(limit=1).total, ports, sessions)
