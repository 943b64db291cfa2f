# SPDX-License-Identifier: Apache-2.0
"""A pool fills up to its last port, with bounded work per packet and no mapping used twice."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP

from tests.kernel.frames import from_inside, udp
from tests.kernel.rig import Rig


def document(ports: str, *addresses: str) -> dict[str, Any]:
    return {
        "pools": {"a": {"address": list(addresses), "ports": ports}},
        "rules": {"1": {"pool": "a", "algorithm": "source-destination-hash"}},
        "timeouts": {"udp": {"unreplied": 600}},  # nothing expires under the test
    }


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(document("2000-2999", "1.1.2.100"))
    gateway.end_flows()
    gateway.datapath.clear_counters()


def open_flow(gateway: Rig, number: int) -> tuple[str, int] | None:
    """The mapping that the number-th inside endpoint gets towards one destination; None when refused."""
    source = f"192.168.{40 + number // 60000}.{10 + number % 200}"
    sent = gateway.outbound(from_inside(udp(1024 + number // 200 * 7, 53), source))
    return (sent.frame[IP].src, sent.frame[UDP].sport) if sent.verdict == "translated" else None


def test_all_ports_of_an_address_serve_one_destination(gateway: Rig) -> None:
    got = [open_flow(gateway, number) for number in range(1100)]
    mappings = [mapping for mapping in got if mapping]
    assert len(mappings) == len(set(mappings)), "no two flows on one mapping"
    assert len(mappings) >= 990, "99 % of the ports, RFC 6888"
    assert all(2000 <= port <= 2999 for _, port in mappings)
    assert None not in got[:950], "no flow is refused while a twentieth is free"


def test_all_ports_of_all_addresses_serve_one_destination(gateway: Rig) -> None:
    gateway.commit(document("2000-2099", "1.1.2.100-1.1.2.109"))
    mappings = [mapping for number in range(1200) if (mapping := open_flow(gateway, number))]
    assert len(mappings) == len(set(mappings))
    assert len(mappings) >= 990


def test_nearly_full_pool_keeps_serving_changing_flows(gateway: Rig) -> None:
    opened = [mapping for number in range(950) if (mapping := open_flow(gateway, number))]
    assert len(opened) == 950
    choose = random.Random(1)
    for turn in range(300):
        rows = gateway.datapath.flows()
        gateway.datapath.end_flows(rows[[choose.randrange(len(rows))]])
        assert open_flow(gateway, 10_000 + turn), "a port was free and was not found"


def test_full_pool_serves_a_new_flow_when_one_ends(gateway: Rig) -> None:
    gateway.commit(document("2000-2009", "1.1.2.100"))
    for number in range(60):
        open_flow(gateway, number)
    assert len(gateway.datapath.flows()) == 10
    assert open_flow(gateway, 99) is None
    gateway.datapath.end_flows(gateway.datapath.flows()[:1])
    assert open_flow(gateway, 100) is not None
    assert open_flow(gateway, 101) is None


def test_source_ports_outside_the_pool_ports_are_translated(gateway: Rig) -> None:
    """A range of one port, and source ports outside of it."""
    gateway.commit(document("2000", "1.1.2.100-1.1.2.103"))
    mappings = [mapping for number in range(40) if (mapping := open_flow(gateway, number))]
    assert sorted(mappings) == [(f"1.1.2.{host}", 2000) for host in range(100, 104)]
