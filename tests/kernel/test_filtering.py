# SPDX-License-Identifier: Apache-2.0
"""Filtering of endpoint-independent mappings (RFC 4787, REQ-6 and REQ-8): the rules in force judge."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP

from snatsh.datapath.flows import now_ticks
from snatsh.datapath.layout import TICKS_PER_SECOND
from tests.kernel.frames import echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import Rig

HOST, STRANGER = "192.168.40.9", "9.9.9.9"
POOLS: dict[str, dict[str, Any]] = {
    "address": {"address": ["1.1.2.100"]}, "interface-address": {"interface-address": "eth1"},
}  # fmt: skip
EXTERNAL = {"address": "1.1.2.100", "interface-address": "1.1.2.2"}
OPEN = {"pool": "a", "mapping": "endpoint-independent", "filtering": "endpoint-independent"}
CLOSED = {**OPEN, "filtering": "address-and-port-dependent"}
NEAR = {**OPEN, "filtering": "address-dependent"}


def document(pool: str = "address", rule: dict[str, Any] = OPEN, **more: Any) -> dict[str, Any]:
    return {"pools": {"a": POOLS[pool]}, "rules": {"10": rule}, **more}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(document())
    gateway.forget()


def l4(protocol: str, sport: int, dport: int, flags: str = "S") -> Any:
    return tcp(sport, dport, flags) if protocol == "tcp" else udp(sport, dport)


def ask(gateway: Rig, protocol: str, source: str = HOST) -> Any:
    """The subscriber's first packet, from port 5000; it keeps its port."""
    sent = gateway.outbound(from_inside(l4(protocol, 5000, 80), source))
    assert sent.verdict == "translated", gateway.drops()
    return sent.frame


def arrives(gateway: Rig, protocol: str, pool: str = "address", sport: int = 7777, **more: Any) -> bool:
    """Whether a packet of a stranger to port 5000 reaches the subscriber, by XDP or by TC."""
    frame = from_outside(l4(protocol, sport, 5000, **more), EXTERNAL[pool], STRANGER)
    sent = gateway.inbound(frame, "eth1")
    if sent.verdict == "passed":
        sent = gateway.tc("tc_outside_in", "eth1", frame)
    assert sent.verdict != "translated" or sent.frame[IP].dst == HOST
    return sent.verdict == "translated"


def change(gateway: Rig, seconds: float, **where: int) -> None:
    """All flows (with this value in their key) expire in so many seconds; the next packet refreshes each."""
    keys, records = gateway.entries("records")
    chosen = records["live"] != 0
    for name, value in where.items():
        chosen &= records["key"][name] == value
    records["outbound"]["expires"][chosen] = now_ticks() + round(seconds * TICKS_PER_SECOND)
    for half in ("outbound", "inbound"):
        records[half]["touched"][chosen] = now_ticks() - 600
    gateway.datapath.maps["records"].put_all(keys[chosen], records[chosen])


def left(gateway: Rig, **where: int) -> float:
    """Seconds until the flow expires."""
    flows = gateway.datapath.flows()
    for name, value in where.items():
        flows = flows[flows[name] == value]
    assert len(flows) == 1
    return float(flows[0]["expires"])


def time_out(gateway: Rig) -> None:
    change(gateway, -1)
    gateway.datapath.age()


Close = Callable[[Rig, str], object]
CLOSINGS: dict[str, Close] = {
    "filtering": lambda gateway, pool: gateway.commit(document(pool, CLOSED)),
    "filtering by address": lambda gateway, pool: gateway.commit(document(pool, NEAR)),
    "drop": lambda gateway, pool: gateway.commit(document(pool, {"action": "drop"})),
    "exempt": lambda gateway, pool: gateway.commit(document(pool, {"action": "exempt"})),
    "host drop": lambda gateway, pool: gateway.commit(
        {**document(pool), "rules": {"10": OPEN, "20": {"source": f"{HOST}/32", "action": "drop"}}}
    ),
    "stranger drop": lambda gateway, pool: gateway.commit(
        {**document(pool), "rules": {"10": OPEN, "20": {"destination": f"{STRANGER}/32", "action": "drop"}}}
    ),
    "other network": lambda gateway, pool: gateway.commit(
        document(pool, {**OPEN, "source": "192.168.50.0/24"})
    ),
    "other pool": lambda gateway, pool: gateway.commit(
        {"pools": {"b": {"address": ["1.1.2.200"]}, "a": POOLS[pool]}, "rules": {"10": {**OPEN, "pool": "b"}}}
    ),
    "clear": lambda gateway, pool: gateway.end_flows(),
    "timeout": lambda gateway, pool: time_out(gateway),
}  # fmt: skip


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("closing", CLOSINGS)
def test_pinholes_close(gateway: Rig, closing: str, protocol: str, pool: str) -> None:
    """For the stranger that came in before, and for another one, whose flow could not be known."""
    gateway.commit(document(pool))
    ask(gateway, protocol)
    assert arrives(gateway, protocol, pool)
    CLOSINGS[closing](gateway, pool)
    assert not arrives(gateway, protocol, pool)
    assert not arrives(gateway, protocol, pool, sport=7778)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_pinholes_open_with_a_commit_as_well(gateway: Rig, protocol: str, pool: str) -> None:
    gateway.commit(document(pool, CLOSED))
    ask(gateway, protocol)
    assert not arrives(gateway, protocol, pool)
    gateway.commit(document(pool))
    assert arrives(gateway, protocol, pool)


def arrives_from(gateway: Rig, source: str, protocol: str, pool: str = "address") -> bool:
    """Whether a packet from another port of this address reaches the subscriber."""
    frame = from_outside(l4(protocol, 7777, 5000), EXTERNAL[pool], source)
    sent = gateway.inbound(frame, "eth1")
    if sent.verdict == "passed":
        sent = gateway.tc("tc_outside_in", "eth1", frame)
    return sent.verdict == "translated"


def send_to(gateway: Rig, protocol: str, destination: str, dport: int = 80) -> None:
    sent = gateway.outbound(from_inside(l4(protocol, 5000, dport), destination=destination))
    assert sent.verdict == "translated", gateway.drops()


def end_flows_to(gateway: Rig, dport: int) -> None:
    flows = gateway.datapath.flows()
    assert gateway.datapath.end_flows(flows[flows["destination_port"] == dport]) == 1


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_address_dependent_filtering(gateway: Rig, protocol: str, pool: str) -> None:
    """RFC 4787, REQ-8: from any port of an address that the endpoint has a flow to."""
    gateway.commit(document(pool, NEAR))
    send_to(gateway, protocol, "8.8.4.4", 79)
    send_to(gateway, protocol, "8.8.8.8", 80)
    send_to(gateway, protocol, "8.8.8.8", 81)
    assert arrives_from(gateway, "8.8.8.8", protocol, pool)
    assert not arrives_from(gateway, STRANGER, protocol, pool)
    end_flows_to(gateway, 7777)
    end_flows_to(gateway, 80)
    assert arrives_from(gateway, "8.8.8.8", protocol, pool), "one flow is left"
    end_flows_to(gateway, 7777)
    end_flows_to(gateway, 81)
    assert not arrives_from(gateway, "8.8.8.8", protocol, pool)
    assert arrives_from(gateway, "8.8.4.4", protocol, pool)
    gateway.end_flows()
    assert len(gateway.entries("eim_peers")[0]) == 0
    assert not arrives_from(gateway, "8.8.4.4", protocol, pool)


@pytest.mark.parametrize("before", ["address-and-port-dependent", "endpoint-independent"])
def test_address_dependent_filtering_of_flows_that_were_there(gateway: Rig, before: str) -> None:
    """A flow tells its destination with its next packet after the commit."""
    gateway.commit(document(rule={**OPEN, "filtering": before}))
    send_to(gateway, "udp", "8.8.8.8")
    gateway.commit(document(rule=NEAR))
    assert not arrives_from(gateway, "8.8.8.8", "udp")
    send_to(gateway, "udp", "8.8.8.8")
    assert arrives_from(gateway, "8.8.8.8", "udp")
    assert not arrives_from(gateway, STRANGER, "udp")


def test_reply_to_an_address_admits_it(gateway: Rig) -> None:
    ask(gateway, "udp")
    assert arrives(gateway, "udp")
    send_to(gateway, "udp", STRANGER, 7777)
    gateway.commit(document(rule=NEAR))
    send_to(gateway, "udp", STRANGER, 7777)
    assert arrives(gateway, "udp", sport=7778)


def test_peers_of_lost_mappings_are_removed(gateway: Rig) -> None:
    gateway.commit(document(rule=NEAR))
    send_to(gateway, "udp", "8.8.8.8")
    gateway.datapath.age()
    assert len(gateway.entries("eim_peers")[0]) == 1
    gateway.clear("eim_mappings", "endpoints")
    gateway.datapath.age()
    assert len(gateway.entries("eim_peers")[0]) == 0


OTHER = "192.168.40.10"


def port_of(gateway: Rig, protocol: str, source: str, sport: int = 5000) -> int | None:
    """The external port of a new flow; None where it is refused."""
    sent = gateway.outbound(from_inside(l4(protocol, sport, 80), source))
    return int(sent.frame[IP].payload.sport) if sent.verdict == "translated" else None


@pytest.mark.parametrize(
    ("protocol", "rule", "seconds", "kept"),
    [
        ("udp", OPEN, 120, True),
        ("udp", OPEN, 0, False),
        ("udp", CLOSED, 120, False),
        ("udp", NEAR, 120, False),
        ("tcp", OPEN, 120, False),
    ],
)
def test_freed_port_is_kept_from_others(
    gateway: Rig, protocol: str, rule: dict[str, Any], seconds: int, kept: bool
) -> None:
    """RFC 6888, REQ-8, with its exceptions; its own endpoint gets it back at once."""
    gateway.commit(document(rule=rule, timeouts={"port-hold": seconds}))
    assert port_of(gateway, protocol, HOST) == 5000
    gateway.end_flows()
    assert (port_of(gateway, protocol, OTHER) != 5000) is kept
    gateway.end_flows()
    if kept:
        assert port_of(gateway, protocol, HOST) == 5000
        gateway.end_flows()
        keys, released = gateway.entries("released_ports")
        released["at"] = now_ticks() - 121 * 60
        gateway.datapath.maps["released_ports"].put_all(keys, released)
        assert port_of(gateway, protocol, OTHER) == 5000


def test_kept_ports_serve_others_when_none_is_left(gateway: Rig) -> None:
    few = {"a": {"address": ["1.1.2.100"], "ports": "5000-5003"}}
    gateway.commit({"pools": few, "rules": {"10": OPEN}})
    assert {port_of(gateway, "udp", HOST, sport) for sport in (5000, 5001)} == {5000, 5001}
    gateway.end_flows()
    fresh = [port_of(gateway, "udp", OTHER, sport) for sport in (6000, 6001)]
    assert set(fresh) == {5002, 5003}
    late = [port_of(gateway, "udp", OTHER, sport) for sport in (6002, 6003)]
    assert set(late) == {5000, 5001}
    assert port_of(gateway, "udp", OTHER, 6004) is None


def test_flow_of_a_stranger_counts_for_the_rule_in_force(gateway: Rig) -> None:
    ask(gateway, "udp")
    gateway.commit({**document(), "rules": {"30": OPEN}})
    assert arrives(gateway, "udp")
    assert gateway.datapath.rule_counters()[30].flows == 1


def test_icmp_is_never_admitted(gateway: Rig) -> None:
    gateway.outbound(from_inside(echo(5000)))
    assert gateway.inbound(from_outside(echo(5000), "1.1.2.100", STRANGER), "eth1").verdict == "dropped"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_stranger_does_not_keep_the_mapping(gateway: Rig, protocol: str) -> None:
    """Not with its flow, nor with further ones: the mapping ends with the last flow of the subscriber."""
    ask(gateway, protocol)
    assert arrives(gateway, protocol)
    first = gateway.datapath.flows()
    gateway.datapath.end_flows(first[first["destination_port"] == 80])
    change(gateway, 20)
    assert len(gateway.entries("eim_mappings")[0]) == 0
    assert not arrives(gateway, protocol)
    assert not arrives(gateway, protocol, sport=7778)
    assert len(gateway.datapath.flows()) == 0


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_reply_to_a_stranger_holds_the_mapping(gateway: Rig, protocol: str) -> None:
    ask(gateway, protocol)
    assert arrives(gateway, protocol)
    assert gateway.subscriber()["half_open"] == 2
    back = from_inside(l4(protocol, 5000, 7777, "SA"), destination=STRANGER)
    assert gateway.outbound(back).verdict == "translated"
    assert gateway.subscriber() == {"sessions": 2, "half_open": 1, "evicted": 0}
    first = gateway.datapath.flows()
    gateway.datapath.end_flows(first[first["destination_port"] == 80])
    gateway.commit(document(rule=CLOSED))
    assert arrives(gateway, protocol, flags="A") if protocol == "tcp" else arrives(gateway, protocol)
    assert list(gateway.entries("eim_mappings")[1]["flows"]) == [1]
    gateway.end_flows()
    assert len(gateway.entries("eim_mappings")[0]) == 0
    assert gateway.subscriber() == {"sessions": 0, "half_open": 0, "evicted": 0}


def test_reply_after_the_rules_forbid_it_is_dropped(gateway: Rig) -> None:
    ask(gateway, "udp")
    assert arrives(gateway, "udp")
    gateway.commit(document(rule={"action": "drop"}))
    back = from_inside(udp(5000, 7777), destination=STRANGER)
    assert gateway.outbound(back).verdict == "dropped"


def test_handshake_from_outside(gateway: Rig) -> None:
    """RFC 5382: established takes the third packet; a SYN flood leaves nothing for two hours."""
    gateway.commit(document(timeouts={"tcp": {"syn": 30}}))
    ask(gateway, "tcp")
    assert arrives(gateway, "tcp")
    assert 0 < left(gateway, destination_port=7777) <= 31
    gateway.outbound(from_inside(tcp(5000, 7777, "SA"), destination=STRANGER))
    assert 0 < left(gateway, destination_port=7777) <= 31
    assert arrives(gateway, "tcp", flags="A")
    assert 7400 < left(gateway, destination_port=7777) <= 7441
    assert arrives(gateway, "tcp", flags="FA")
    assert 0 < left(gateway, destination_port=7777) <= 241


def test_unasked_flows_are_evicted_and_count_as_half_open(gateway: Rig) -> None:
    gateway.commit(document(limits={"subscriber": {"half-open": 5}}))
    ask(gateway, "udp")
    admitted = [arrives(gateway, "udp", sport=7000 + number) for number in range(8)]
    assert admitted == [True] * 4 + [False] * 4
    for number in range(4):
        change(gateway, 20)
        assert arrives(gateway, "udp", sport=7000 + number), "further packets do not make it a replied one"
    assert gateway.subscriber()["half_open"] == 5


@pytest.mark.parametrize("mapping", ["endpoint-independent", "endpoint-dependent"])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
@pytest.mark.parametrize("refresh", ["outbound", "both"])
def test_packets_that_refresh(gateway: Rig, refresh: str, protocol: str, mapping: str) -> None:
    """RFC 4787, REQ-6: outbound ones; inbound ones if so configured."""
    gateway.commit(document(rule={"pool": "a", "mapping": mapping}, timeouts={"refresh": refresh}))
    out = from_inside(echo(5000) if protocol == "icmp" else l4(protocol, 5000, 80))
    sent = gateway.outbound(out).frame
    gateway.inbound(reply_to(sent), "eth1")
    if protocol == "tcp":
        out = from_inside(tcp(5000, 80, "A"))
        gateway.outbound(out)
    full = {"tcp": 7440, "udp": 300, "icmp": 60}[protocol]
    assert full - 5 < left(gateway) <= full + 1, "the reply counts from the subscriber's packet on"
    change(gateway, 20)
    reply = reply_to(sent, "A") if TCP in sent else reply_to(sent)
    assert gateway.inbound(reply, "eth1").verdict == "translated"
    assert left(gateway) <= 20 if refresh == "outbound" else left(gateway) > full - 5
    change(gateway, 20)
    gateway.outbound(out)
    assert left(gateway) > full - 5


def test_inbound_stream_does_not_hide_the_subscribers_packets(gateway: Rig) -> None:
    """Both within the second in which a flow is written once."""
    gateway.commit(document(rule={"pool": "a"}))
    sent = gateway.outbound(from_inside(udp(5000, 80))).frame
    gateway.inbound(reply_to(sent), "eth1")
    gateway.outbound(from_inside(udp(5000, 80)))
    change(gateway, 20)
    gateway.inbound(reply_to(sent), "eth1")
    gateway.outbound(from_inside(udp(5000, 80)))
    assert left(gateway) > 290


@pytest.mark.parametrize("by", ["subscriber", "flow"])
def test_flow_of_a_stranger_leaves_by_the_link_of_its_mapping(gateway: Rig, by: str) -> None:
    """Each link of the rule has a pool; the hash of the stranger's flow may choose the other one."""
    links = {
        "one": {"interface": "eth1", "next-hop": "1.1.2.1", "pool": "a"},
        "two": {"interface": "eth2", "next-hop": "1.1.3.1", "pool": "b"},
    }
    pools = {"a": {"address": ["1.1.2.100"]}, "b": {"address": ["1.1.3.100"]}}
    group = {"both": {"link": {"one": {}, "two": {}}, "spread": by}}
    rule = {name: value for name, value in OPEN.items() if name != "pool"} | {"group": "both"}
    gateway.commit({"pools": pools, "links": links, "link-groups": group, "rules": {"10": rule}})
    ways = {"1.1.2.100": ("eth1", "1.1.2.1"), "1.1.3.100": ("eth2", "1.1.3.1")}
    for number in range(6):
        source = f"192.168.40.{20 + number}"
        sent = gateway.outbound(from_inside(udp(5000, 80), source)).frame
        interface, redirect = ways[sent[IP].src]
        for sport in (7777, 7778, 7779):
            frame = from_outside(udp(sport, sent[IP].payload.sport), sent[IP].src, STRANGER)
            came = gateway.inbound(frame, interface)
            if came.verdict == "passed":
                came = gateway.tc("tc_outside_in", interface, frame)
            assert (came.verdict, came.frame[IP].dst) == ("translated", source)
        flows = gateway.datapath.flows()
        mine = flows[(flows["mapped"] == int_of(sent[IP].src)) & (flows["destination"] == int_of(STRANGER))]
        assert set(mine["redirect"]) == {int_of(redirect)}


def int_of(address: str) -> int:
    return int(IPv4Address(address))
