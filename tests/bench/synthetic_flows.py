# SPDX-License-Identifier: Apache-2.0
"""A million synthetic flows, written straight into the pinned table of a running snatd."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path

import numpy as np

from snatsh.datapath import bpf_syscall, flows, layout
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.loading.loader import load

FIRST_SOURCE = int(IPv4Address("10.40.1.0"))
FIRST_MAPPED = int(IPv4Address("1.1.2.100"))
SOURCES, MAPPED, PORTS, DESTINATIONS = 20_000, 11, 64_000, 5_000
LIFE_SECONDS = 2 * 3600
_BATCH = 50_000


class Crowd:
    """The flows, and the table they are in. `move` is what traffic would do to them."""

    def __init__(self, pins: Path, max_flows: int) -> None:
        opened = load(pins, max_flows)
        opened.programs.require("takeover")
        self._records = opened.maps["records"]
        self._table = FlowTable(opened.maps, opened.programs)
        self._random = np.random.default_rng(1)
        self._moving = np.zeros(0, dtype=layout.RECORD)

    def fill(self, count: int, out_ifindex: int, rule: int) -> None:
        """Flows of `SOURCES` inside addresses, in all states, that live for an hour and more."""
        for start in range(0, count, _BATCH):
            records = _flows(np.arange(start, min(start + _BATCH, count)), out_ifindex, rule)
            assert self._table.adopt(records, settle=False) == len(records)
        self._moving = bpf_syscall.joined(list(islice(self._table.parts(), 4)))

    def move(self, count: int) -> None:
        """So many flows send a few packets."""
        chosen = self._random.choice(len(self._moving), count, replace=False)
        packets = self._random.integers(1, 2000, count).astype(np.uint64)
        outbound = self._moving["outbound"]
        outbound["packets"][chosen] += packets
        outbound["bytes"][chosen] += packets * np.uint64(900)
        outbound["touched"][chosen] = flows.now_ticks()
        moved = self._moving[chosen]
        self._records.put_all((moved["live"] & np.uint64(0xFFFFFFFF)).astype(layout.INDEX), moved)


def _flows(numbers: np.ndarray, out_ifindex: int, rule: int) -> np.ndarray:
    """Their records."""
    random = np.random.default_rng(int(numbers[0]))
    now, second = flows.now_ticks(), layout.TICKS_PER_SECOND
    keys = np.zeros(len(numbers), dtype=layout.FLOW_KEY)
    keys["source"] = FIRST_SOURCE + numbers % SOURCES
    keys["source_port"] = 1024 + numbers // SOURCES
    keys["destination"] = int(IPv4Address("203.0.113.0")) + random.integers(0, DESTINATIONS, len(numbers))
    keys["destination_port"] = random.choice([53, 80, 443, 8080], len(numbers)) + numbers // (MAPPED * PORTS)
    keys["protocol"] = random.choice([6, 17], len(numbers))
    ages = random.integers(1, 600 * int(second), len(numbers))
    forward = np.zeros(len(numbers), dtype=layout.OUTBOUND)
    forward["touched"] = now - random.integers(0, ages)
    forward["expires"] = now + int(LIFE_SECONDS * second)
    forward["state"] = random.integers(0, len(layout.STATE_NAMES), len(numbers))
    # Each mapped endpoint once per destination: number by number through addresses, ports and remote ports.
    forward["mapped"] = FIRST_MAPPED + numbers % MAPPED
    forward["mapped_port"] = 1024 + numbers // MAPPED % PORTS
    forward["out_ifindex"] = out_ifindex
    forward["packets"] = random.integers(1, 10_000, len(numbers))
    forward["bytes"] = forward["packets"] * 700
    back = np.zeros(len(numbers), dtype=layout.INBOUND)
    back["inside"], back["inside_port"] = keys["source"], keys["source_port"]
    back["touched"], back["created"] = forward["touched"], now - ages
    back["rule"], back["out_ifindex"] = rule, out_ifindex
    back["packets"], back["bytes"] = forward["packets"], forward["bytes"] * 2
    records = np.zeros(len(numbers), dtype=layout.RECORD)
    records["key"], records["outbound"], records["inbound"] = keys, forward, back
    records["reply"]["source"], records["reply"]["source_port"] = (
        keys["destination"],
        keys["destination_port"],
    )
    records["reply"]["destination"], records["reply"]["destination_port"] = (
        forward["mapped"],
        forward["mapped_port"],
    )
    records["reply"]["protocol"] = keys["protocol"]
    return records
