# SPDX-License-Identifier: Apache-2.0
"""Own connections: what the gateway sends from a pool address is answered, whatever an inside host did."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scapy.layers.inet import ICMP, IP, UDP, IPerror, TCPerror, UDPerror, defragment, fragment
from scapy.layers.inet import ICMPerror as EchoError
from scapy.layers.l2 import Ether

from snatsh.datapath import layout
from snatsh.datapath.flows import now_ticks
from snatsh.model.vocabulary import PROTOCOL_NUMBERS
from tests.kernel.frames import ROUTER_MAC, echo, from_inside, from_outside, tcp, udp
from tests.kernel.rig import ADDRESSES, GATEWAY_MAC, Rig, Sent, checksums_right

OWN = str(ADDRESSES["eth1"].ip)
INSIDE, REMOTE = "192.168.40.9", "8.8.8.8"
PORT = 40_000  # of the gateway's socket and of the inside host's
QUERIES: dict[str, Callable[[int], Any]] = {
    "tcp": lambda port: tcp(port, 443, "S"),
    "udp": lambda port: udp(port, 53),
    "icmp": echo,
}
REPLIES: dict[str, Callable[[int], Any]] = {
    "tcp": lambda port: tcp(443, port, "SA"),
    "udp": lambda port: udp(53, port),
    "icmp": lambda port: echo(port, kind=0),
}


@pytest.fixture(params=QUERIES)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    commit(gateway)
    gateway.forget()


def commit(gateway: Rig, **rule: str) -> None:
    pool = {"address": [OWN], "unmatched": "stack"}
    gateway.commit({"pools": {"a": pool}, "rules": {"10": {"pool": "a", **rule}}})


def port_of(frame: Any, side: str) -> int:
    return int(frame[ICMP].id if ICMP in frame else getattr(frame[IP].payload, side))


def own_frame(l4: Any, destination: str = REMOTE) -> Any:
    return Ether(bytes(Ether(src=GATEWAY_MAC, dst=ROUTER_MAC) / IP(src=OWN, dst=destination) / l4))


def gateway_sends(gateway: Rig, l4: Any, destination: str = REMOTE) -> Any:
    """The frame as it leaves."""
    sent = gateway.tc("tc_outside_out", "eth1", own_frame(l4, destination))
    assert sent.verdict in ("passed", "translated")
    assert sent.frame[IP].src == OWN
    assert checksums_right(sent.frame)
    return sent.frame


def inside_sends(gateway: Rig, l4: Any) -> int:
    """The external port."""
    sent = gateway.outbound(from_inside(l4, INSIDE, REMOTE))
    assert (sent.verdict, sent.frame[IP].src) == ("translated", OWN)
    return port_of(sent.frame, "sport")


def arrives(gateway: Rig, frame: Any) -> Sent:
    """By the hook of the rig, and where XDP passes it, by TC."""
    sent = gateway.inbound(frame, "eth1")
    if gateway.hook == "xdp" and sent.verdict == "passed":
        sent = gateway.tc("tc_outside_in", "eth1", frame)
    assert sent.verdict != "dropped"
    assert sent.frame[IP].flags.MF or sent.frame[IP].frag or checksums_right(sent.frame)
    return sent


def receiver(sent: Sent) -> tuple[str, int]:
    return sent.frame[IP].dst, port_of(sent.frame, "dport")


def test_a_flow_avoids_the_tuple_of_an_own_connection(gateway: Rig, protocol: str) -> None:
    assert port_of(gateway_sends(gateway, QUERIES[protocol](PORT)), "sport") == PORT
    mapped = inside_sends(gateway, QUERIES[protocol](PORT))
    assert mapped != PORT
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](PORT), OWN))) == (OWN, PORT)
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](mapped), OWN))) == (INSIDE, PORT)


def test_an_own_connection_moves_out_of_the_way_of_a_flow(gateway: Rig, protocol: str) -> None:
    assert inside_sends(gateway, QUERIES[protocol](PORT)) == PORT
    moved = port_of(gateway_sends(gateway, QUERIES[protocol](PORT)), "sport")
    assert moved != PORT
    assert port_of(gateway_sends(gateway, QUERIES[protocol](PORT)), "sport") == moved, "and stays there"
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](moved), OWN))) == (OWN, PORT)
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](PORT), OWN))) == (INSIDE, PORT)
    assert inside_sends(gateway, QUERIES[protocol](moved)) != moved, "no flow takes where it went"


def test_only_the_destination_that_a_flow_has_is_avoided(gateway: Rig, protocol: str) -> None:
    inside_sends(gateway, QUERIES[protocol](PORT))
    assert port_of(gateway_sends(gateway, QUERIES[protocol](PORT), "9.9.9.9"), "sport") == PORT


def test_a_flow_yields_its_tuple_when_no_other_is_found(gateway: Rig, protocol: str) -> None:
    """All ports but this one are own connections already."""
    inside_sends(gateway, QUERIES[protocol](PORT))
    with occupied(gateway, protocol):
        assert port_of(gateway_sends(gateway, QUERIES[protocol](PORT)), "sport") == PORT
    assert not len(gateway.datapath.flows())
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](PORT), OWN))) == (OWN, PORT)


@contextmanager
def occupied(gateway: Rig, protocol: str) -> Iterator[None]:
    """Every other port towards the destination has an own connection."""
    ports = np.array([port for port in range(1024, 65_536) if port != PORT])
    keys: NDArray[Any] = np.zeros(len(ports), dtype=layout.FLOW_KEY)
    keys["source"], keys["destination"] = int(IPv4Address(REMOTE)), int(IPv4Address(OWN))
    keys["destination_port"], keys["protocol"] = ports, PROTOCOL_NUMBERS[protocol]
    keys["source_port"] = port_of(own_frame(QUERIES[protocol](PORT)), "dport") if protocol != "icmp" else 0
    values: NDArray[Any] = np.zeros(len(ports), dtype=layout.OWN_CONNECTION)
    values["seen"], values["port"] = now_ticks(), 1
    gateway.datapath.maps["own_connections"].put_all(keys, values)
    yield
    gateway.datapath.maps["own_connections"].remove_all(keys)


@pytest.mark.parametrize("flags", ["R", "RA", "SA"])
def test_what_outsiders_can_cause_is_not_noted(gateway: Rig, flags: str) -> None:
    gateway_sends(gateway, tcp(PORT, 443, flags))
    gateway_sends(gateway, echo(PORT, kind=0))
    assert not len(gateway.entries("own_connections")[0])


def test_an_endpoint_moves_to_another_mapping_where_the_gateway_has_the_tuple(
    gateway: Rig, protocol: str
) -> None:
    commit(gateway, mapping="endpoint-independent")
    gateway_sends(gateway, QUERIES[protocol](PORT))
    elsewhere = gateway.outbound(from_inside(QUERIES[protocol](PORT), INSIDE, "9.9.9.9"))
    assert port_of(elsewhere.frame, "sport") == PORT
    mapped = inside_sends(gateway, QUERIES[protocol](PORT))
    assert mapped != PORT
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](PORT), OWN))) == (OWN, PORT)
    assert receiver(arrives(gateway, from_outside(REPLIES[protocol](mapped), OWN))) == (INSIDE, PORT)
    before = from_outside(REPLIES[protocol](PORT), OWN, source="9.9.9.9")
    assert receiver(arrives(gateway, before)) == (INSIDE, PORT), "the flow keeps the mapping that it has"


def test_a_connected_socket_is_seen_by_a_mapping_that_is_there_already(gateway: Rig) -> None:
    commit(gateway, mapping="endpoint-independent")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((OWN, PORT))
        own.connect((REMOTE, 53))
        elsewhere = gateway.outbound(from_inside(udp(PORT, 53), INSIDE, "9.9.9.9"))
        assert port_of(elsewhere.frame, "sport") == PORT
        assert inside_sends(gateway, udp(PORT, 53)) != PORT


def test_unfiltered_mappings_do_not_take_the_replies(gateway: Rig) -> None:
    commit(gateway, mapping="endpoint-independent", filtering="endpoint-independent")
    elsewhere = gateway.outbound(from_inside(udp(PORT, 53), INSIDE, "9.9.9.9"))
    assert port_of(elsewhere.frame, "sport") == PORT
    gateway_sends(gateway, udp(PORT, 53))
    assert receiver(arrives(gateway, from_outside(udp(53, PORT), OWN))) == (OWN, PORT)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_a_service_bound_to_the_interface_gets_its_packets(gateway: Rig, kind: int) -> None:
    """A claim at the inside does not see it: the flow yields at the first packet from outside."""
    protocol, request = ("tcp", "S") if kind == socket.SOCK_STREAM else ("udp", "")
    arriving = tcp(443, PORT, request) if protocol == "tcp" else udp(53, PORT)
    with socket.socket(socket.AF_INET, kind) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth1\0")
        own.bind((OWN, PORT))
        if protocol == "tcp":
            own.listen()
        is_seen = gateway.hook == "tc-egress"
        assert (inside_sends(gateway, QUERIES[protocol](PORT)) != PORT) == is_seen
        assert receiver(arrives(gateway, from_outside(arriving, OWN))) == (OWN, PORT)
        assert inside_sends(gateway, QUERIES[protocol](PORT)) != PORT


def test_a_flow_keeps_its_replies_beside_a_bound_socket_that_moved(gateway: Rig) -> None:
    assert inside_sends(gateway, udp(PORT, 53)) == PORT
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth1\0")
        own.bind((OWN, PORT))
        assert port_of(gateway_sends(gateway, udp(PORT, 53)), "sport") != PORT
        assert receiver(arrives(gateway, from_outside(udp(53, PORT), OWN))) == (INSIDE, PORT)


def test_an_error_about_a_moved_connection_names_the_port_of_its_socket(gateway: Rig, protocol: str) -> None:
    inside_sends(gateway, QUERIES[protocol](PORT))
    moved = gateway_sends(gateway, QUERIES[protocol](PORT))
    error = from_outside(ICMP(type=3, code=1) / bytes(moved[IP]), OWN, source="1.1.2.1")
    sent = gateway.tc("tc_outside_in", "eth1", error)
    assert sent.frame[IP].dst == OWN
    assert checksums_right(sent.frame)
    quoted = sent.frame[IPerror].payload
    assert (quoted.id if isinstance(quoted, EchoError) else quoted.sport) == PORT
    assert isinstance(quoted, EchoError | TCPerror | UDPerror)


def test_fragments_of_a_moved_connection(gateway: Rig) -> None:
    inside_sends(gateway, udp(PORT, 53))
    first, later = (
        gateway.tc("tc_outside_out", "eth1", piece).frame for piece in pieces(own_frame(big(PORT, 53)))
    )
    moved = port_of(first, "sport")
    assert (first[IP].src, moved != PORT) == (OWN, True)
    assert later[IP].src == OWN
    answer = [arrives(gateway, piece).frame[IP] for piece in pieces(from_outside(big(53, moved), OWN, id=7))]
    (whole,) = defragment(answer)
    whole = Ether(bytes(Ether() / IP(bytes(whole))))
    assert (whole[IP].dst, whole[UDP].dport) == (OWN, PORT)
    assert checksums_right(whole)


def big(sport: int, dport: int) -> Any:
    return udp(sport, dport, bytes(1500))


def pieces(frame: Any) -> list[Any]:
    """The frame as two fragments."""
    return [Ether(bytes(Ether(src=frame.src, dst=frame.dst) / part)) for part in fragment(frame[IP], 1000)]
