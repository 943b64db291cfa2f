# SPDX-License-Identifier: Apache-2.0
"""Records that end and become another flow's while packets are translated by them, on two CPUs.

Each packet is translated as one flow, or it is not sent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import IPv4Address

import numpy as np
import pytest
from numpy.typing import NDArray
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from snatsh.datapath import layout
from snatsh.datapath.constants import TICKS_OF_SECOND
from snatsh.datapath.flows import now_ticks
from tests.kernel.conftest import SMALL
from tests.kernel.frames import from_inside, from_outside, udp
from tests.kernel.rig import TC_SHOT, XDP_DROP, Rig, checksums_right
from tests.kernel.two_cpus import rounds, together

IN_USE = SMALL - 1
POOL = "1.1.2.100"
SECONDS = 1.5


@pytest.fixture
def tiny(small_rig: Rig) -> Rig:
    """Room for one flow beside those that are in use."""
    small_rig.end_flows()
    small_rig.datapath.programs.require("takeover")  # adds flows to the table
    assert small_rig.datapath.flow_table.adopt(flows_in_use(), settle=False) == IN_USE
    return small_rig


def flows_in_use() -> NDArray[np.void]:
    """Flows that no eviction knows of."""
    made = np.zeros(IN_USE, dtype=layout.RECORD)
    key, reply, ports = made["key"], made["reply"], 1024 + np.arange(IN_USE)
    key["source"], key["source_port"] = int(IPv4Address("10.0.0.1")), ports
    reply["destination"], reply["destination_port"] = int(IPv4Address("1.1.2.99")), ports
    key["protocol"] = reply["protocol"] = 17
    made["outbound"]["expires"] = now_ticks() + 3600 * TICKS_OF_SECOND
    return made


def allocations(gateway: Rig) -> int:
    """Flows that ever were."""
    return int(gateway.entries("record_counts")[1]["allocated"][0])


def run(gateway: Rig, data: bytes) -> bytes | None:
    """The frame as it is sent by a flow; None when it is not."""
    if gateway.hook == "xdp":
        verdict, after = gateway.run_xdp("xdp_inside", "eth0", data)
        return None if verdict == XDP_DROP or after == data else after
    if gateway.hook == "tc":
        verdict, after = gateway.run_tc("tc_inside", "eth0", data, "eth0")
    else:
        verdict, after = gateway.run_tc("tc_outside_out", "eth1", data, "eth0")
    return None if verdict == TC_SHOT or after == data else after


def run_inbound(gateway: Rig, data: bytes) -> bytes | None:
    if gateway.hook == "xdp":
        verdict, after = gateway.run_xdp("xdp_outside", "eth1", data)
        return None if verdict == XDP_DROP or after == data else after
    verdict, after = gateway.run_tc("tc_outside_in", "eth1", data)
    return None if verdict == TC_SHOT or after == data else after


def test_outbound_packet_has_address_and_port_of_one_flow(tiny: Rig) -> None:
    """A full table: each new flow ends another one, as often as not one whose packet is under way."""
    tiny.commit({"pools": {"a": {"address": [POOL]}}, "rules": {"1": {"pool": "a"}}})

    def flood(host: int) -> Callable[[], list[bytes]]:
        own = [from_inside(udp(2000 + 100 * host + n, 53), f"192.168.40.{20 + host}") for n in range(3)]
        shared = [from_inside(udp(3000 + n, 53)) for n in range(2)]
        frames = [bytes(frame) for frame in own + shared]
        good: set[bytes] = set()

        def wrong() -> list[bytes]:
            found: list[bytes] = []
            choose = random.Random(host)
            for _ in rounds(SECONDS):
                after = run(tiny, choose.choice(frames))
                if after is None or after in good:
                    continue
                sent = Ether(after)
                if sent[IP].src == POOL and checksums_right(sent):
                    good.add(after)
                else:
                    found.append(after)
            assert good, "some are sent"
            return found

        return wrong

    before = allocations(tiny)
    assert together([flood(0), flood(1)]) == []
    assert allocations(tiny) - before > 1000, "flows came and went"


def test_inbound_packet_has_address_and_port_of_one_flow(tiny: Rig) -> None:
    """One external port, so that one host after another has the same reply."""
    tiny.commit({"pools": {"a": {"address": [POOL], "ports": "2000"}}, "rules": {"1": {"pool": "a"}}})
    hosts = {f"10.1.0.{20 + n}": 4000 + n for n in range(8)}
    asked = [bytes(from_inside(udp(port, 53), host)) for host, port in hosts.items()]
    reply = bytes(from_outside(udp(53, 2000), POOL))

    table, keys = tiny.datapath.flow_table, np.zeros(len(hosts), dtype=layout.FLOW_KEY)
    keys["source"] = [int(IPv4Address(host)) for host in hosts]
    keys["destination"] = int(IPv4Address("8.8.8.8"))
    keys["source_port"], keys["destination_port"], keys["protocol"] = [*hosts.values()], 53, 17

    def change() -> list[bytes]:
        for number in rounds(SECONDS):
            run(tiny, asked[number % len(asked)])
            table.end(table.find(keys), force=True)
        return []

    def wrong() -> list[bytes]:
        found, good = [], set[bytes]()
        for _ in rounds(SECONDS):
            after = run_inbound(tiny, reply)
            if after is None or after in good:
                continue
            sent = Ether(after)
            if hosts.get(sent[IP].dst) == sent[UDP].dport and checksums_right(sent):
                good.add(after)
            else:
                found.append(after)
        assert len(good) >= len(hosts) // 2, "replies to several hosts"
        return found

    assert together([change, wrong]) == []
