# SPDX-License-Identifier: Apache-2.0
"""The same packets by iptables in the kernel and by its rules imported into the loaded programs: the same
verdict, and an address of the same pool."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP

from snatsh.interop.importing import import_text
from snatsh.model.document.document import Document
from snatsh.model.values import Address, AddressRange
from tests.kernel.frames import echo, from_inside, tcp, udp
from tests.kernel.rig import Rig

SOURCES = ("10.1.2.3", "10.1.2.200", "10.1.9.9", "10.7.7.7", "192.168.4.4")
DESTINATIONS = ("8.8.8.8", "8.9.9.9", "203.0.113.9")
PROTOCOLS = ("tcp", "udp", "icmp")
PACKETS = [(s, d, p) for s in SOURCES for d in DESTINATIONS for p in PROTOCOLS]
RULE_SETS = 12


def rule_set(seed: int) -> str:
    """Rules that meet in every way: broad before narrow, exempt between, ranges."""
    pick = random.Random(seed)
    lines = []
    for _ in range(pick.randint(2, 7)):
        words = [
            pick.choice(["", "-s 10.0.0.0/8", "-s 10.1.0.0/16", "-s 10.1.2.0/24",
                         "-m iprange --src-range 10.1.2.100-10.1.9.20"]),
            pick.choice(["", "", "-d 8.0.0.0/8", "-d 8.8.0.0/16", "-d 203.0.113.9/32"]),
            pick.choice(["", "", "-o eth1", "-o eth2"]),
            pick.choice(["", "", "-p tcp", "-p udp", "-p icmp"]),
            pick.choice(["-j ACCEPT", "-j RETURN", "-j SNAT --to-source 1.1.2.100-1.1.2.103",
                         "-j SNAT --to-source 1.1.3.50-1.1.3.51 --persistent",
                         "-j SNAT --to-source 1.1.4.7"]),
        ]  # fmt: skip
        lines.append(" ".join(["-A POSTROUTING", *filter(None, words)]))
    return "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *lines, "COMMIT", ""])


@pytest.fixture(scope="session")
def by_netfilter() -> list[tuple[str, list[str]]]:
    """Each rule set, and the source that each packet had on the wire."""
    rules = [rule_set(seed) for seed in range(RULE_SETS)]
    oracle = Path(__file__).with_name("netfilter_oracle.py")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(oracle)],
        input=json.dumps({"rules": rules, "packets": PACKETS}),
        text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(zip(rules, json.loads(done.stdout), strict=True))


def frame_of(packet: tuple[str, str, str], number: int) -> Any:
    """The first packet of a new flow."""
    source, destination, protocol = packet
    l4 = {"tcp": tcp(2000 + number, 80, "S"), "udp": udp(2000 + number, 80), "icmp": echo(number)}[protocol]
    return from_inside(l4, source, destination)


def are_of_one_pool(document: Document, *sources: str) -> bool:
    pools = [AddressRange.parse(one) for pool in document["pools"].values() for one in pool["address"]]
    return any(all(pool.first <= Address(source) <= pool.last for source in sources) for pool in pools)


def test_verdict_and_pool_equal_those_of_netfilter(
    gateway: Rig, by_netfilter: list[tuple[str, list[str]]]
) -> None:
    translated = 0
    for text, sources in by_netfilter:
        document, _ = import_text(text)
        gateway.forget()
        gateway.commit({name: held for name, held in document.items() if name != "interfaces"})
        for number, (packet, source) in enumerate(zip(PACKETS, sources, strict=True)):
            sent = gateway.outbound(frame_of(packet, number))
            left = packet[0] if sent.verdict == "passed" else sent.frame[IP].src
            same = left == source if source == packet[0] else are_of_one_pool(document, left, source)
            assert sent.verdict != "dropped" and same, (
                f"{packet}: {sent.verdict}, {left}; {source} by\n{text}"
            )
            translated += source != packet[0]
    assert RULE_SETS * len(PACKETS) // 10 < translated < RULE_SETS * len(PACKETS), "both verdicts were met"
