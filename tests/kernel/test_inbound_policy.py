# SPDX-License-Identifier: Apache-2.0
"""`system inbound`: what routing alone would take from outside to the inside."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, fragment
from scapy.layers.l2 import Ether

from tests.kernel.frames import echo, from_inside, from_outside, tcp, udp
from tests.kernel.rig import Rig

SERVER, REMOTE = "192.168.40.9", "8.8.8.8"
POOL = {"a": {"address": ["1.1.2.100"]}}
TRANSLATE = {"10": {"pool": "a"}}
EXEMPT = {"10": {"action": "exempt"}}
QUOTED = bytes(from_inside(udp(5000, 53), "192.168.40.9", "8.8.8.8")[IP])

PACKETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "connection": (tcp(4000, 80, "S"), {}),
    "segment": (tcp(443, 5000, "A"), {}),
    "datagram": (udp(53, 5000), {}),
    "echo": (echo(7), {}),
    "tunnel": (bytes(20), {"proto": 47}),
    "error": (ICMP(type=3, code=1) / QUOTED, {}),
    "first fragment": (udp(53, 5000, bytes(64)), {"flags": "MF"}),
    "later fragment": (bytes(64), {"proto": 17, "frag": 8}),
    "tiny fragment": (bytes(8), {"proto": 6, "flags": "MF"}),
    "padded tiny fragment": (bytes(8), {"proto": 6, "flags": "MF"}),
    "empty first fragment": (b"", {"proto": 17, "flags": "MF"}),
    "fragment over a TCP header": (bytes(64), {"proto": 6, "frag": 1}),
    "options": (udp(53, 5000), {"options": b"\x94\x04\0\0"}),
}
MALFORMED = {"tiny fragment", "padded tiny fragment", "empty first fragment", "fragment over a TCP header"}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.forget()


def commit(gateway: Rig, rules: dict[str, Any], **system: str) -> None:
    gateway.commit({"system": system, "pools": POOL, "rules": rules})


def verdict(gateway: Rig, frame: Any) -> str:
    """What becomes of a frame from outside, by the hook of the rig and where XDP passes it by TC."""
    sent = gateway.inbound(frame, "eth1")
    if gateway.hook == "xdp" and sent.verdict == "passed":
        sent = gateway.tc("tc_outside_in", "eth1", frame)
    return sent.verdict


def sent_out(gateway: Rig, frame: Any) -> None:
    """An exempt frame from inside, through the stack and out."""
    if gateway.hook != "tc-egress":
        assert gateway.outbound(frame).verdict == "passed"
        gateway.clear("exempt_connections")
    assert gateway.tc("tc_outside_out", "eth1", frame, came_in="eth0").verdict == "passed"


def arriving(kind: str, destination: str = SERVER) -> Any:
    l4, ip = PACKETS[kind]
    return padded(kind, from_outside(l4, destination, REMOTE, **ip))


def padded(kind: str, frame: Any) -> Any:
    """As a card delivers a short frame: with 60 bytes."""
    return Ether(bytes(frame).ljust(60, b"\0")) if "padded" in kind or "empty" in kind else frame


@pytest.mark.parametrize("rules", [TRANSLATE, EXEMPT], ids=["translated", "exempt"])
def test_inbound_drop_blocks_routed_traffic(gateway: Rig, rules: dict[str, Any]) -> None:
    commit(gateway, rules)
    for kind in PACKETS:
        gateway.datapath.clear_counters()
        assert verdict(gateway, arriving(kind)) == "dropped", kind
        assert gateway.drops() == {"malformed" if kind in MALFORMED else "inbound": 1}, kind


def test_inbound_pass_leaves_traffic_to_the_stack(gateway: Rig) -> None:
    commit(gateway, TRANSLATE, inbound="pass")
    assert {verdict(gateway, arriving(kind)) for kind in PACKETS} == {"passed"}
    assert not gateway.drops()


@pytest.mark.parametrize("destination", ["1.1.2.2", "192.168.40.1", "9.9.9.9", "1.1.3.50"])
def test_inbound_drop_applies_to_inside_networks_only(gateway: Rig, destination: str) -> None:
    """Open are the gateway itself, and networks that are not inside."""
    commit(gateway, TRANSLATE)
    assert {verdict(gateway, arriving(kind, destination)) for kind in PACKETS} == {"passed"}


def test_inbound_drop_applies_to_unknown_interfaces(gateway: Rig) -> None:
    commit(gateway, TRANSLATE)
    link = ["link", "add", "late", "type", "veth", "peer", "name", "latep"]
    for arguments in (
        link,
        ["address", "add", "172.31.0.1/24", "dev", "late"],
        ["link", "set", "late", "up"],
    ):
        subprocess.run(["ip", *arguments], check=True)
    try:
        assert verdict(gateway, arriving("connection", "172.31.0.9")) == "dropped"
    finally:
        subprocess.run(["ip", "link", "del", "late"], check=True)
    assert gateway.drops() == {"inbound": 1}


EXCHANGES = {
    "tcp": (tcp(5000, 443, "S"), tcp(443, 5000, "SA"), {}),
    "udp": (udp(5000, 53), udp(53, 5000), {}),
    "echo": (echo(7), echo(7, kind=0), {}),
    "tunnel": (bytes(20), bytes(20), {"proto": 47}),
}


@pytest.mark.parametrize("default", [False, True], ids=["by rule", "by default"])
@pytest.mark.parametrize("query", EXCHANGES)
def test_replies_to_exempt_connections_are_admitted(gateway: Rig, query: str, default: bool) -> None:
    sent, reply, ip = EXCHANGES[query]
    commit(gateway, {} if default else EXEMPT, **({"default-action": "pass"} if default else {}))
    answer = from_outside(reply, SERVER, REMOTE, **ip)
    assert verdict(gateway, answer) == "dropped"
    sent_out(gateway, from_inside(sent, SERVER, REMOTE, **ip))
    assert verdict(gateway, answer) == "passed"
    other = from_outside(reply, "192.168.40.10", REMOTE, **ip)
    assert verdict(gateway, other) == "dropped", "to another host"


def test_icmp_errors_about_exempt_connections_are_admitted(gateway: Rig) -> None:
    commit(gateway, EXEMPT)
    sent_out(gateway, from_inside(udp(5000, 53), SERVER, REMOTE))
    error = from_outside(ICMP(type=3, code=4, nexthopmtu=1280) / QUOTED, SERVER, "1.1.2.1")
    assert verdict(gateway, error) == "passed"
    misdirected = from_outside(ICMP(type=3, code=4) / QUOTED, "192.168.40.10", "1.1.2.1")
    assert verdict(gateway, misdirected) == "dropped"


def test_fragmented_replies_to_exempt_connections_are_admitted(gateway: Rig) -> None:
    commit(gateway, EXEMPT)
    sent_out(gateway, from_inside(udp(5000, 53), SERVER, REMOTE))
    whole = from_outside(udp(53, 5000, bytes(2000)), SERVER, REMOTE, id=11)
    parts = [Ether(bytes(Ether(src=whole.src, dst=whole.dst) / part)) for part in fragment(whole[IP], 1000)]
    assert [verdict(gateway, part) for part in parts] == ["passed"] * 3


@pytest.mark.parametrize("kind", sorted(MALFORMED))
def test_malformed_fragments_to_a_pool_are_counted(gateway: Rig, kind: str) -> None:
    commit(gateway, TRANSLATE)
    assert verdict(gateway, arriving(kind, "1.1.2.100")) == "dropped"
    assert gateway.drops() == {"malformed": 1}


@pytest.mark.parametrize("kind", sorted(MALFORMED))
def test_malformed_fragments_from_inside_are_counted(gateway: Rig, kind: str) -> None:
    commit(gateway, TRANSLATE)
    l4, ip = PACKETS[kind]
    frame = padded(kind, from_inside(l4, SERVER, REMOTE, **ip))
    if gateway.hook != "tc-egress":
        assert gateway.outbound(frame).verdict == "passed"
    assert gateway.tc("tc_outside_out", "eth1", frame, came_in="eth0").verdict == "dropped"
    assert gateway.drops() == {"malformed": 1}
