# SPDX-License-Identifier: Apache-2.0
"""The fast path emits the same frames as the full path, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from snatsh.datapath.tracing import TraceFilter
from snatsh.model.values import Prefix
from tests.kernel.frames import from_inside, reply_to, tcp, udp
from tests.kernel.rig import Rig

NOBODY = TraceFilter(source=Prefix("192.0.2.1/32"))
PACKETS = {
    "udp": udp(5000, 53),
    "udp without checksum": UDP(sport=5001, dport=53, chksum=0) / b"hello",
    "tcp": tcp(5002, 80, flags="A"),
    "tcp with options": TCP(sport=5003, dport=80, flags="PA", options=[("Timestamp", (1, 2))]) / b"hello",
}


@pytest.fixture(scope="module")
def gateway(by_xdp: Rig) -> Rig:
    by_xdp.commit({"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"1": {"pool": "a"}}})
    return by_xdp


def by_both_ways(gateway: Rig, send: Any) -> tuple[bytes, bytes]:
    """Frames of the fast path, without a trace and with a trace of another flow."""
    short = send()
    gateway.datapath.trace(NOBODY, 60)
    long = send()
    gateway.datapath.stop_trace()
    assert short.verdict == long.verdict == "translated"
    return bytes(short.frame), bytes(long.frame)


@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
def test_fast_and_full_path_emit_the_same_frame(gateway: Rig, packet: Any) -> None:
    there = from_inside(packet)
    back = reply_to(gateway.outbound(there).frame, "A")
    for _ in range(3):  # answered, and settled in both directions
        gateway.inbound(back, "eth1")
        gateway.outbound(there)
    for send in (lambda: gateway.outbound(there), lambda: gateway.inbound(back, "eth1")):
        short, long = by_both_ways(gateway, send)
        assert short == long
        rebuilt = Ether(short)
        del rebuilt[IP].chksum
        assert bytes(rebuilt) == short, "the check sum, computed in full"


def test_fast_and_full_path_count_alike(gateway: Rig) -> None:
    there = from_inside(udp(5100, 53))
    gateway.outbound(there)
    gateway.datapath.clear_counters()
    by_both_ways(gateway, lambda: gateway.outbound(there))
    row = gateway.datapath.flows()[gateway.datapath.flows()["source_port"] == 5100][0]
    length = len(there[IP])
    assert (int(row["packets_out"]), int(row["bytes_out"])) == (3, 3 * length)
    counter = gateway.datapath.rule_counters()[1]
    assert (counter.packets, counter.bytes) == (2, 2 * length)


@pytest.mark.parametrize("ttl", [0, 1])
def test_frames_with_expiring_ttl_are_passed_to_the_stack(gateway: Rig, ttl: int) -> None:
    there = from_inside(udp(5200, 53))
    gateway.outbound(there)
    gateway.outbound(there)
    there[IP].ttl = ttl
    assert gateway.outbound(there).verdict == "passed"
