# SPDX-License-Identifier: Apache-2.0
"""Many pools, large pools, and a table of a million flows."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv4Network

import numpy as np
import pytest
from scapy.layers.inet import IP

from tests.bench.synthetic_flows import Crowd
from tests.kernel.frames import from_inside, reply_to, udp
from tests.kernel.rig import Rig, rig

POOLS = 1000
RULES = 10_000
LARGE = "100.64.0.0/16"
MILLION = 1_000_000


def test_thousand_pools_serve_one_source_each(gateway: Rig) -> None:
    pools = {f"p{at}": {"address": [f"100.{64 + at // 250}.{at % 250}.1"]} for at in range(POOLS)}
    rules = {
        str(10 + at): {"source": f"10.{at // 250}.{at % 250}.0/24", "pool": f"p{at}"} for at in range(POOLS)
    }
    begun = time.monotonic()
    gateway.commit({"pools": pools, "rules": rules})
    assert time.monotonic() - begun < 2
    for at in (0, 1, 249, 250, 511, 512, POOLS - 1):
        sent = gateway.outbound(from_inside(udp(5000, 53), source=f"10.{at // 250}.{at % 250}.7"))
        assert sent.frame[IP].src == f"100.{64 + at // 250}.{at % 250}.1"
        assert gateway.inbound(reply_to(sent.frame), "eth1").verdict == "translated"


@pytest.mark.serial
def test_ten_thousand_rules_are_committed_in_two_seconds(gateway: Rig) -> None:
    """Of eight prefix lengths, the right one of which a new flow finds; that takes effect as one."""
    rules = {
        str(10 + at): {
            "source": str(IPv4Network((int(IPv4Address("10.0.0.0")) + (at << 8), 24 + at % 8), strict=False)),
            "pool": "a" if at % 2 else "b",
        }
        for at in range(RULES)
    }
    pools = {"a": {"address": ["1.1.2.100"]}, "b": {"address": ["1.1.2.101"]}}
    gateway.commit({"pools": pools, "rules": {"1": {"pool": "a"}}})
    begun = time.monotonic()
    gateway.commit({"pools": pools, "rules": rules})
    assert time.monotonic() - begun < 2
    for at in (0, 1, 4_998, 9_999):
        sent = gateway.outbound(from_inside(udp(5000, 53), source=f"10.{at >> 8}.{at & 255}.1"))
        assert sent.frame[IP].src == ("1.1.2.100" if at % 2 else "1.1.2.101")


@pytest.mark.parametrize("algorithm", ["source-hash", "round-robin", "random", "least-used"])
def test_slash_16_pool_is_used_over_its_whole_range(gateway: Rig, algorithm: str) -> None:
    gateway.forget()
    rule = {"pool": "a", "algorithm": algorithm}
    gateway.commit({"pools": {"a": {"address": [LARGE]}}, "rules": {"10": rule}})
    mapped = set()
    for host in range(200):
        sent = gateway.outbound(from_inside(udp(5000, 53), source=f"10.1.{host}.9"))
        assert sent.verdict == "translated"
        mapped.add(IPv4Address(sent.frame[IP].src))
    assert all(address in IPv4Network(LARGE) for address in mapped)
    if algorithm in ("source-hash", "random"):
        assert len({int(address) >> 12 for address in mapped}) == 16, "every sixteenth of it"
    else:
        assert len(mapped) == 200, "no address twice while there are free ones"


@pytest.mark.serial
def test_million_flows_are_swept_in_a_second_of_cpu() -> None:
    with rig("xdp", max_flows=1 << 20) as gateway:
        gateway.commit({"pools": {"a": {"address": ["1.1.2.100-1.1.2.110"]}}, "rules": {"10": {"pool": "a"}}})
        Crowd(gateway.datapath.pins, gateway.datapath.max_flows).fill(MILLION, gateway.index("eth1"), 10)
        begun = time.thread_time()
        assert gateway.datapath.age() == 0, "all live"
        assert time.thread_time() - begun <= 1
        assert len(gateway.datapath.flow_table) == MILLION
        assert np.isin(gateway.datapath.flows()["rule"], [10]).all()
