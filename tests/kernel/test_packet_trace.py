# SPDX-License-Identifier: Apache-2.0
"""Packet traces in every hook."""

from __future__ import annotations

import time
from typing import Any

from scapy.layers.inet import ICMP, IP, UDP

from snatsh.datapath.constants import TraceEventKind
from snatsh.datapath.tracing import TraceFilter
from snatsh.model.values import Prefix
from tests.kernel.frames import from_inside, reply_to, tcp
from tests.kernel.rig import Rig

DOCUMENT: dict[str, Any] = {
    "pools": {"a": {"address": ["1.1.2.100-1.1.2.110"]}},
    "rules": {
        "10": {"source": "192.168.40.0/24", "pool": "a"},
        "20": {"source": "192.168.40.66/32", "action": "drop"},
    },
}
HOST, SERVER = "192.168.40.9", "8.8.8.8"


def seen(gateway: Rig) -> list[tuple[int, str, int]]:
    return [(event.kind, event.reason, event.rule) for event in gateway.datapath.traced()]


def test_trace_shows_path_and_verdict(gateway: Rig) -> None:
    gateway.commit(DOCUMENT)
    gateway.end_flows()
    gateway.datapath.trace(TraceFilter(source=Prefix(f"{HOST}/32")), 60)
    frame = from_inside(tcp(40000, 443, "S"), HOST, SERVER)
    sent = gateway.outbound(frame)
    opened = gateway.datapath.traced()
    assert (TraceEventKind.OPENED, "", 10) in [(event.kind, event.reason, event.rule) for event in opened]
    gateway.outbound(frame)
    gateway.inbound(reply_to(sent.frame), "eth1")
    known = [event for event in gateway.datapath.traced() if event.kind == TraceEventKind.TRANSLATED]
    assert [(str(event.address), event.port) for event in known] == [
        (sent.frame[IP].src, sent.frame[IP].payload.sport),
        (HOST, 40000),
    ]


def test_trace_shows_the_drop_reason(gateway: Rig) -> None:
    gateway.commit(DOCUMENT)
    gateway.end_flows()
    gateway.datapath.trace(TraceFilter(), 60)
    gateway.outbound(from_inside(UDP(sport=1, dport=53), "192.168.40.66", SERVER))
    gateway.outbound(from_inside(UDP(sport=1, dport=53), "10.9.9.9", SERVER))
    stranger = from_inside(UDP(sport=53, dport=5555), SERVER, "1.1.2.100")
    gateway.inbound(stranger, "eth1")
    reasons = [reason for kind, reason, _ in seen(gateway) if kind == TraceEventKind.DROPPED]
    assert reasons == ["rule", "no-rule", "no-flow"]


def test_reply_to_a_ping_of_the_gateway_is_traced_and_not_dropped(gateway: Rig) -> None:
    gateway.commit(DOCUMENT)
    gateway.end_flows()
    before = gateway.datapath.drops()
    for identifier, packets in ((77, 0), (78, 1)):
        gateway.datapath.trace(TraceFilter(source=Prefix("1.1.2.100/32"), protocol=1, probe=77), 60)
        gateway.inbound(from_inside(ICMP(type=0, id=identifier), SERVER, "1.1.2.100"), "eth1")
        assert seen(gateway) == [(TraceEventKind.DROPPED, "no-flow", 0)]
        assert gateway.datapath.drops()["no-flow"].packets == before["no-flow"].packets + packets
    gateway.datapath.stop_trace()


def test_trace_is_limited_to_its_filter_and_time(gateway: Rig) -> None:
    gateway.commit(DOCUMENT)
    gateway.end_flows()
    frame = from_inside(tcp(40001, 443, "S"), HOST, SERVER)
    for wanted, expected in (
        (TraceFilter(source=Prefix("192.168.41.0/24")), False),
        (TraceFilter(destination=Prefix("8.8.0.0/16")), True),
        (TraceFilter(protocol=17), False),
        (TraceFilter(protocol=6, port=443), True),
        (TraceFilter(port=444), False),
    ):
        gateway.datapath.trace(wanted, 60)
        gateway.outbound(frame)
        assert bool(seen(gateway)) == expected, wanted
    gateway.datapath.stop_trace()
    gateway.outbound(frame)
    assert not seen(gateway)
    gateway.datapath.trace(TraceFilter(), 0.05)
    time.sleep(0.2)
    gateway.outbound(frame)
    assert not seen(gateway)


def test_trace_overflow_loses_only_events(gateway: Rig) -> None:
    gateway.commit(DOCUMENT)
    gateway.end_flows()
    frame = from_inside(UDP(sport=1, dport=53), "192.168.40.66", SERVER)
    gateway.datapath.trace(TraceFilter(), 60)
    before = gateway.datapath.drops()["rule"].packets
    for _ in range(4_200):
        assert gateway.outbound(frame).verdict == "dropped"
    assert gateway.datapath.drops()["rule"].packets == before + 4_200
    assert len(gateway.datapath.traced()) == 4_096
    gateway.outbound(frame)
    assert len(gateway.datapath.traced()) == 1
    gateway.datapath.stop_trace()
