# SPDX-License-Identifier: Apache-2.0
"""Pools that keep the class of ports: low ports serve low source ports (RFC 4787, REQ-3a)."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP

from tests.kernel.frames import echo, from_inside, reply_to, tcp, udp
from tests.kernel.rig import Rig, checksums_right

PROTOCOLS = ("tcp", "udp", "icmp")
MAPPINGS = ("endpoint-dependent", "endpoint-independent")


def document(mapping: str, ports: str = "1-65535", **pool: Any) -> dict[str, Any]:
    own = {"address": ["1.1.2.100"], "ports": ports, "port-class": "preserve", **pool}
    return {"pools": {"a": own}, "rules": {"10": {"pool": "a", "mapping": mapping}}}


def external(gateway: Rig, host: int, port: int, protocol: str = "udp") -> int | None:
    """The external port of a new flow to one destination; None where there is none."""
    l4 = {"tcp": tcp(port, 80, "S"), "udp": udp(port, 500), "icmp": echo(port)}[protocol]
    sent = gateway.outbound(from_inside(l4, f"10.0.0.{host}"))
    if sent.verdict != "translated":
        return None
    assert checksums_right(sent.frame)
    assert gateway.inbound(reply_to(sent.frame), "eth1").frame[IP].dst == f"10.0.0.{host}"
    return int(sent.frame[ICMP].id if protocol == "icmp" else sent.frame[IP].payload.sport)


@pytest.fixture(params=MAPPINGS)
def mapping(request: pytest.FixtureRequest, gateway: Rig) -> str:
    gateway.forget()
    return str(request.param)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_low_source_ports_get_low_ports(gateway: Rig, mapping: str, protocol: str) -> None:
    """As IKE (500) and NTP (123) of several hosts behind one address have it."""
    gateway.commit(document(mapping))
    for port, low in ((500, True), (1023, True), (1024, False), (5000, False)):
        ports = [external(gateway, host, port, protocol) for host in range(20, 28)]
        assert ports[0] == port, "preserved where free"
        assert len(set(ports)) == len(ports)
        assert all(found and (found < 1024) is low for found in ports), ports


def test_each_class_is_used_up_by_itself(gateway: Rig, mapping: str) -> None:
    gateway.commit(document(mapping, "1020-1027"))
    low = [external(gateway, host, 500) for host in range(20, 26)]
    assert set(low[:4]) == set(range(1020, 1024))
    assert low[4:] == [None, None]
    high = [external(gateway, host, 5000) for host in range(20, 26)]
    assert set(high[:4]) == set(range(1024, 1028))
    assert high[4:] == [None, None]
    flows = gateway.datapath.flows()
    freed = flows[flows["mapped_port"] == 1021]
    assert gateway.datapath.end_flows(freed) == 1
    assert external(gateway, 40, 5000) is None
    assert external(gateway, 40, 500) == 1021, "given back to its class"


@pytest.mark.parametrize("ports", ["1-1023", "1024-65535"])
def test_pool_of_one_class_serves_all(gateway: Rig, mapping: str, ports: str) -> None:
    gateway.commit(document(mapping, ports))
    first, last = map(int, ports.split("-"))
    for host, port in ((20, 500), (20, 5000), (21, 500), (21, 5000)):
        found = external(gateway, host, port)
        assert found
        assert first <= found <= last


def test_any_port_serves_without_it(gateway: Rig, mapping: str) -> None:
    gateway.commit(document(mapping, **{"port-class": "any"}))
    found = [external(gateway, host, 500) for host in range(20, 60)]
    assert any(port and port >= 1024 for port in found)
    flows = gateway.datapath.flows()
    gateway.datapath.end_flows(flows)
    assert external(gateway, 60, 500)
