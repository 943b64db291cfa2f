# SPDX-License-Identifier: Apache-2.0
"""An endpoint-independent mapping lives as long as its flows and no longer, however they end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from scapy.layers.inet import IP

from snatsh.datapath.flows import now_ticks
from snatsh.datapath.gateway import Datapath
from tests.kernel.frames import echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import Rig

PORTS = 3
POOLS: dict[str, dict[str, Any]] = {
    "address": {"address": ["1.1.2.100"]},
    "interface-address": {"interface-address": "eth1"},
}
PROTOCOLS = ("tcp", "udp", "icmp")
Rules = dict[str, Any]


def rules(pool: str = "address", **rule: Any) -> Rules:
    own = {"pool": "a", "mapping": "endpoint-independent", **rule}
    return {"pools": {"a": {**POOLS[pool], "ports": f"2000-{1999 + PORTS}"}}, "rules": {"10": own}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(rules())
    gateway.forget()


def first_packet(protocol: str, port: int, **addresses: str) -> Any:
    l4 = {"tcp": tcp(port, 80, "S"), "udp": udp(port, 53), "icmp": echo(port)}[protocol]
    return from_inside(l4, **addresses)


def open_flows(gateway: Rig, protocol: str, first: int) -> list[Any]:
    """As many replied flows as there are ports, as they left."""
    sent = []
    for port in range(first, first + PORTS):
        out = gateway.outbound(first_packet(protocol, port))
        assert out.verdict == "translated", gateway.drops()
        back = gateway.inbound(reply_to(out.frame), "eth1")
        assert back.verdict == "translated"
        if protocol == "tcp":
            gateway.outbound(from_inside(tcp(port, 80, "A")))
        sent.append(out.frame)
    return sent


def expire_flows(gateway: Rig) -> None:
    """The time of all flows is over. The mappings are left alone."""
    keys, records = gateway.entries("records")
    records["outbound"]["expires"] = now_ticks() - 1
    gateway.datapath.maps["records"].put_all(keys, records)


def close_by_fin(gateway: Rig, sent: list[Any]) -> None:
    for frame in sent:
        gateway.inbound(reply_to(frame, "FA"), "eth1")
    for port in gateway.datapath.flows()["source_port"]:
        gateway.outbound(from_inside(tcp(int(port), 80, "FA")))
    assert set(gateway.datapath.flows()["expires"] < 121) == {True}, "time-wait"
    expire_flows(gateway)


def close_by_rst(gateway: Rig, sent: list[Any]) -> None:
    for frame in sent:
        gateway.inbound(reply_to(frame, "R"), "eth1")
    assert set(gateway.datapath.flows()["expires"] < 241) == {True}, "transitory"
    expire_flows(gateway)


def time_out(gateway: Rig, sent: list[Any]) -> None:
    expire_flows(gateway)


def end_all(gateway: Rig, sent: list[Any]) -> None:
    assert gateway.datapath.end_flows(gateway.datapath.flows()) == PORTS


def reset_all(gateway: Rig, sent: list[Any]) -> None:
    """As the flows of a link that failed."""
    assert gateway.datapath.reset_flows(gateway.datapath.flows(), seconds=0) == PORTS


def lose_the_pool(gateway: Rig, sent: list[Any]) -> None:
    before = gateway.image
    gateway.commit({**rules(), "pools": {"a": {"address": ["1.1.2.200"]}}})
    assert gateway.datapath.end_withdrawn() == PORTS
    assert before is not None
    gateway.datapath.flip(gateway.datapath.stage(before))


def take_over(gateway: Rig, sent: list[Any]) -> None:
    """Another snatd adopts the maps, and ends what has expired."""
    expire_flows(gateway)
    again = Datapath.open(gateway.datapath.pins, max_flows=gateway.datapath.max_flows, apart=True)
    assert again.adopted
    assert again.age() == PORTS
    again.close()


Ending = Callable[[Rig, list[Any]], None]
ENDINGS: dict[str, Ending] = {
    "timeout": time_out, "clear": end_all, "reset": reset_all, "commit": lose_the_pool, "restart": take_over,
}  # fmt: skip
TCP_ENDINGS: dict[str, Ending] = {"fin": close_by_fin, "rst": close_by_rst}
WAYS = [
    *itertools.product(PROTOCOLS, ENDINGS),
    *itertools.product(["tcp"], TCP_ENDINGS),
]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("protocol", "ending"), WAYS)
def test_ports_come_back_with_the_end_of_their_flows(
    gateway: Rig, protocol: str, ending: str, pool: str
) -> None:
    gateway.commit(rules(pool))
    sent = open_flows(gateway, protocol, 5000)
    refused = gateway.outbound(first_packet(protocol, 6000, source="192.168.40.10"))
    assert refused.verdict == "dropped"
    assert gateway.drops() == {"pool-exhausted": 1}, "every port is in use"
    (ENDINGS | TCP_ENDINGS)[ending](gateway, sent)
    gateway.datapath.age()
    assert mapped(gateway) == 0
    open_flows(gateway, protocol, 6000)


def mapped(gateway: Rig) -> int:
    keys, _ = gateway.entries("eim_mappings")
    assert len(keys) == len(gateway.entries("endpoints")[0])
    return len(keys)


def flows_of_mapping(gateway: Rig) -> list[int]:
    return sorted(int(flows) for flows in gateway.entries("eim_mappings")[1]["flows"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mapping_stays_until_its_last_flow_ends(gateway: Rig, protocol: str) -> None:
    destinations = ("8.8.8.8", "8.8.4.4", "9.9.9.9")
    external = {
        gateway.outbound(first_packet(protocol, 5000, destination=to)).frame[IP].src for to in destinations
    }
    assert len(external) == 1
    for left in (2, 1, 0):
        assert flows_of_mapping(gateway) == [left + 1]
        gateway.datapath.end_flows(gateway.datapath.flows()[:1])
    assert mapped(gateway) == 0


def test_flow_that_expires_unswept_keeps_no_port_from_its_own_host(gateway: Rig) -> None:
    """The next packet of the tuple ends it itself, and gets a mapping again."""
    for _ in range(3):
        assert gateway.outbound(first_packet("udp", 5000)).verdict == "translated"
        assert flows_of_mapping(gateway) == [1]
        expire_flows(gateway)


def test_older_flow_does_not_hold_the_next_mapping_of_its_port(gateway: Rig) -> None:
    """Mapping and flow expire, another host gets the port, and then the flow is swept."""
    gateway.commit(rules(**{"algorithm": "random"}))
    open_flows(gateway, "udp", 5000)
    expire_flows(gateway)
    keys, mappings = gateway.entries("eim_mappings")
    mappings["expires"] = now_ticks() - 1
    mappings["created"] = now_ticks() - 600
    gateway.datapath.maps["eim_mappings"].put_all(keys, mappings)
    at, records = gateway.entries("records")
    records["inbound"]["created"] = now_ticks() - 600
    gateway.datapath.maps["records"].put_all(at, records)
    taken = [gateway.outbound(first_packet("udp", 7000, source="192.168.40.10", destination="9.9.9.9"))]
    assert taken[0].verdict == "translated"
    gateway.datapath.age()
    assert flows_of_mapping(gateway) == [1]


def test_mappings_are_listed_and_ended_with_all_their_flows(gateway: Rig) -> None:
    """Also with the flow of a stranger, which holds none."""
    gateway.commit({**rules(filtering="endpoint-independent"), "pools": {"a": POOLS["address"]}})
    for to in ("8.8.8.8", "8.8.4.4"):
        gateway.outbound(first_packet("udp", 5000, destination=to))
    gateway.outbound(first_packet("tcp", 5001))
    stranger = from_outside(udp(7777, 5000), "1.1.2.100", "9.9.9.9")
    assert gateway.inbound(stranger, "eth1").verdict in ("passed", "translated")
    gateway.tc("tc_outside_in", "eth1", stranger)
    assert len(gateway.datapath.flows()) == 4
    mappings = gateway.datapath.mappings()
    assert sorted(zip(*(mappings[name].tolist() for name in SHOWN), strict=True)) == [
        (HOST, 5000, 5000, 17, 10, 2),
        (HOST, 5001, 5001, 6, 10, 1),
    ]
    assert set(mappings["mapped"]) == {int(IPv4Address("1.1.2.100"))}
    assert set(mappings["age"] < 10) == {True}
    for protocol, timeout in ((17, 120), (6, 240)):
        (expires,) = mappings["expires"][mappings["protocol"] == protocol].tolist()
        assert timeout - 10 < expires < timeout + 1
    assert gateway.datapath.end_mappings(mappings[mappings["protocol"] == 17]) == 1
    assert gateway.datapath.flows()["protocol"].tolist() == [6]
    assert gateway.datapath.mappings()["protocol"].tolist() == [6]
    assert gateway.datapath.end_mappings(mappings) == 2
    assert len(gateway.datapath.mappings()) == len(gateway.datapath.flows()) == mapped(gateway) == 0


SHOWN = ("source", "source_port", "mapped_port", "protocol", "rule", "flows")
HOST = int(IPv4Address("192.168.40.9"))
