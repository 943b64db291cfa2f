# SPDX-License-Identifier: Apache-2.0
"""Resets for TCP flows that end with their link (RFC 9293, section 3.10.7.1)."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, TCP

from tests.kernel.frames import from_inside, tcp, udp
from tests.kernel.rig import GATEWAY_MAC, INSIDE_HOST_MAC, Rig, checksums_right


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit({"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}})
    gateway.end_flows()
    gateway.clear("terminated_flows")
    gateway.datapath.clear_counters()


def segment(flags: str, sport: int = 5000, data: bytes = b"", **more: Any) -> Any:
    frame = from_inside(tcp(sport, 80, flags, data), **more)
    frame[TCP].seq, frame[TCP].ack = 0x01020304, 0xA1B2C3D4
    return frame.__class__(bytes(_unsummed(frame)))


def _unsummed(frame: Any) -> Any:
    del frame[IP].chksum, frame[TCP].chksum
    return frame


@pytest.mark.parametrize("data", [b"", b"x" * 900], ids=["bare", "with-data"])
def test_next_packet_of_an_ended_flow_gets_a_valid_reset(gateway: Rig, data: bytes) -> None:
    assert gateway.outbound(segment("S")).verdict == "translated"
    gateway.datapath.reset_flows(gateway.datapath.flows(), 60)
    sent = segment("PA", data=data)
    output = gateway.outbound(sent).frame
    assert (output[IP].src, output[IP].dst) == (sent[IP].dst, sent[IP].src)
    assert (output[TCP].sport, output[TCP].dport) == (80, 5000)
    assert (output[TCP].flags, output[TCP].seq, output[TCP].ack) == ("R", 0xA1B2C3D4, 0)
    assert checksums_right(output)
    assert len(output) == 54
    if gateway.hook != "tc-egress":  # there the stack fills the addresses in
        assert (output.dst, output.src) == (INSIDE_HOST_MAC, GATEWAY_MAC)
    assert gateway.datapath.drops()["ended"].packets == 1
    assert not len(gateway.datapath.flows()), "nothing was opened"


def test_syn_opens_a_new_flow_after_a_reset(gateway: Rig) -> None:
    gateway.outbound(segment("S"))
    gateway.outbound(from_inside(udp(5000, 53)))
    gateway.datapath.reset_flows(gateway.datapath.flows(), 60)
    for other in (segment("A", sport=5001), segment("S"), segment("A"), from_inside(udp(5000, 53))):
        sent = gateway.outbound(other)
        assert sent.verdict == "translated", other.summary()
        assert sent.frame[IP].src != "192.168.40.9"
    assert gateway.datapath.drops()["ended"].packets == 0


def test_ended_flows_are_forgotten_after_their_timeout(gateway: Rig) -> None:
    gateway.outbound(segment("S"))
    gateway.datapath.reset_flows(gateway.datapath.flows(), 0)
    assert gateway.outbound(segment("A")).verdict == "translated"
