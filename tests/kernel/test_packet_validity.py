# SPDX-License-Identifier: Apache-2.0
"""What the kernel would not forward as it is, is not translated either; what it forwards is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_RR, IPOption_SSRR
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from snatsh.model.facts import Facts
from tests.kernel.frames import echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import OWN, Rig, checksums_right, internet_sum

HOST = "192.168.40.9"
POOLS: dict[str, dict[str, Any]] = {
    "address": {"address": ["1.1.2.100"]}, "interface-address": {"interface-address": "eth1"},
}  # fmt: skip
AT_INGRESS = pytest.mark.parametrize("loaded", ["xdp", "tc"], indirect=True)
"""The stack has looked at what gets to the egress."""


@pytest.fixture(params=POOLS)
def ready(gateway: Rig, request: pytest.FixtureRequest) -> Rig:
    gateway.commit({"pools": {"a": POOLS[request.param]}, "rules": {"10": {"pool": "a"}}})
    gateway.forget()
    return gateway


def frame_of(octets: Any) -> Any:
    return Ether(bytes(octets))


def with_checksum(frame: Any) -> Any:
    """The IP header's checksum right, as far as its length goes."""
    octets = bytearray(bytes(frame))
    octets[24:26] = bytes(2)
    right: Any = 0xFFFF - internet_sum(bytes(octets[14:34]))
    return changed(changed(frame, 24, right >> 8), 25, right & 0xFF)


def changed(frame: Any, at: int, value: int) -> Any:
    octets = bytearray(bytes(frame))
    octets[at] = value
    return frame_of(octets)


WRONG: dict[str, Callable[[Any], Any]] = {
    "IP checksum": lambda frame: changed(frame, 24, bytes(frame)[24] ^ 0xFF),
    "longer than the frame": lambda frame: with_checksum(changed(frame, 16, 1)),
    "shorter than its headers": lambda frame: with_checksum(changed(frame, 17, 24)),
}
WRONG_TCP: dict[str, Callable[[Any], Any]] = {
    **WRONG,
    "TCP data offset": lambda frame: changed(frame, 14 + 20 + 12, 0x40),
}


@AT_INGRESS
@pytest.mark.parametrize("wrong", WRONG_TCP)
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_malformed_packets_are_not_translated(ready: Rig, protocol: str, wrong: str) -> None:
    """Neither the first of a flow nor those of one that is there, in both directions.

    The fast path of XDP does not sum up the IP header: a wrong checksum leaves as wrong as it came.
    """
    mutate = WRONG_TCP[wrong]
    if protocol != "tcp" and wrong not in WRONG:
        return
    first = {"tcp": tcp(5000, 80, "S"), "udp": udp(5000, 53), "icmp": echo(77)}[protocol]
    assert ready.outbound(mutate(from_inside(first))).verdict != "translated"
    assert not len(ready.datapath.flows())
    out = ready.outbound(from_inside(first))
    back = reply_to(out.frame)
    assert ready.inbound(back, "eth1").verdict == "translated"
    later = {"tcp": tcp(5000, 80, "A"), "udp": udp(5000, 53), "icmp": echo(77)}[protocol]
    for _ in range(2):
        assert ready.outbound(from_inside(later)).verdict == "translated"
        for sent in (ready.outbound(mutate(from_inside(later))), ready.inbound(mutate(back), "eth1")):
            is_wrong_as_before = wrong == "IP checksum" and not checksums_right(sent.frame)
            assert sent.verdict in ("passed", "dropped") or (ready.hook == "xdp" and is_wrong_as_before)


@AT_INGRESS
@pytest.mark.parametrize("option", [IPOption_LSRR, IPOption_SSRR, IPOption_RR])
def test_packets_with_options_take_the_stack(ready: Rig, option: Any) -> None:
    """It records the route, and drops source routes unless they are allowed: both ways, known flow or not."""
    out = ready.outbound(from_inside(udp(5000, 53)))
    back = reply_to(out.frame)
    assert ready.inbound(back, "eth1").redirected
    options = [option(routers=["9.9.9.9"])]
    for port in (5000, 5001):
        sent = ready.outbound(from_inside(udp(port, 53), options=options))
        assert not sent.redirected and sent.frame[IP].src == HOST
    reply = from_outside(udp(53, back[UDP].dport), back[IP].dst, "8.8.8.8", options=options)
    assert not ready.inbound(reply, "eth1").redirected


@AT_INGRESS
def test_the_gateways_own_address_is_no_source(ready: Rig) -> None:
    """The stack drops it as a martian; its reply would end at the gateway."""
    assert ready.outbound(from_inside(udp(5000, 53), source=OWN)).verdict == "passed"
    assert not len(ready.datapath.flows())


@pytest.mark.parametrize("kind", [8, 13], ids=["echo", "timestamp"])
@pytest.mark.parametrize("identifier", [0, 77])
def test_icmp_queries_are_translated(ready: Rig, kind: int, identifier: int) -> None:
    """RFC 5508, REQ-1, whatever the identifier."""
    out = ready.outbound(from_inside(ICMP(type=kind, id=identifier, seq=1)))
    assert out.verdict == "translated"
    assert checksums_right(out.frame)
    answer = ICMP(type={8: 0, 13: 14}[kind], id=out.frame[ICMP].id, seq=1)
    came = ready.inbound(from_outside(answer, out.frame[IP].src), "eth1")
    assert (came.verdict, came.frame[IP].dst, came.frame[ICMP].id) == ("translated", HOST, identifier)
    assert checksums_right(came.frame)


@pytest.mark.parametrize("kind", [0, 14], ids=["echo reply", "timestamp reply"])
@pytest.mark.parametrize("identifier", [0, 77])
def test_icmp_replies_open_no_flow(ready: Rig, kind: int, identifier: int) -> None:
    assert ready.outbound(from_inside(ICMP(type=kind, id=identifier, seq=1))).verdict == "dropped"
    assert ready.drops() == {"no-state": 1}


@pytest.mark.parametrize("about", ["inbound", "outbound"])
def test_icmp_errors_with_a_wrong_checksum_are_dropped(ready: Rig, about: str) -> None:
    """RFC 5508, REQ-3."""
    out = ready.outbound(from_inside(udp(5000, 53, b"x" * 100))).frame
    for wrong in (False, True):
        if about == "outbound":
            error = from_outside(ICMP(type=11) / Raw(bytes(out[IP])[:100]), out[IP].src, "9.9.9.9")
        else:
            came = ready.inbound(reply_to(out), "eth1").frame
            error = from_inside(ICMP(type=3, code=3) / Raw(bytes(came[IP])[:40]), HOST, "8.8.8.8")
        frame = changed(error, 14 + 20 + 2, bytes(error)[36] ^ (0xFF if wrong else 0))
        if about == "outbound":
            sent = ready.tc("tc_outside_in", "eth1", frame)
            assert sent.verdict == "translated" if not wrong else sent.frame[IP].dst != HOST
        else:
            sent = ready.tc("tc_outside_out", "eth1", frame, came_in="eth0")
            assert sent.verdict == ("dropped" if wrong else "translated")


@pytest.mark.parametrize("quoted", ["with options", "with a wrong checksum"])
def test_quoted_headers_of_icmp_errors(ready: Rig, quoted: str) -> None:
    """RFC 5508, REQ-3b; and not REQ-3a: some routers quote the header changed."""
    out = ready.outbound(from_inside(udp(5000, 53, b"x" * 100))).frame
    header: dict[str, Any] = {"options": [IPOption_RR()]} if quoted == "with options" else {"chksum": 1}
    packet = IP(src=out[IP].src, dst=out[IP].dst, **header) / UDP(bytes(out[UDP]))
    error = from_outside(ICMP(type=11) / Raw(bytes(packet)[:60]), out[IP].src, "9.9.9.9")
    came = ready.tc("tc_outside_in", "eth1", error)
    assert (came.verdict, came.frame[IP].dst) == ("translated", HOST)
    inner = IP(bytes(came.frame[ICMP].payload))
    assert (inner.src, inner[UDP].sport) == (HOST, 5000)
    assert checksums_right(came.frame)


def test_an_expired_ttl_from_outside_is_answered_by_a_router(ready: Rig) -> None:
    """To an own address the packet is translated first, so that the stack forwards and does not answer it."""
    out = ready.outbound(from_inside(tcp(5000, 80, "S")))
    back = reply_to(out.frame)
    assert ready.inbound(back, "eth1").verdict == "translated"
    last = from_outside(tcp(80, back[TCP].dport, "A"), back[IP].dst, back[IP].src, ttl=1)
    sent = ready.inbound(last, "eth1")
    if sent.verdict == "passed":
        sent = ready.tc("tc_outside_in", "eth1", last)
    assert not sent.redirected and sent.frame[IP].ttl == 1
    assert sent.frame[IP].dst == (HOST if back[IP].dst == "1.1.2.2" else back[IP].dst)


def test_a_pool_that_follows_an_interface_without_an_address_is_named(gateway: Rig) -> None:
    known = gateway.facts
    bare = replace(known.interfaces["eth1"], addresses=())
    gateway.facts = Facts({**known.interfaces, "eth1": bare})
    try:
        gateway.commit({"pools": {"a": POOLS["interface-address"]}, "rules": {"10": {"pool": "a"}}})
        gateway.forget()
        for first in (tcp(5000, 80, "S"), udp(5000, 53), echo(77)):
            assert gateway.outbound(from_inside(first)).verdict == "dropped"
        assert gateway.drops() == {"pool-empty": 3}
    finally:
        gateway.facts = known
