"""A million flows that nobody sent: written straight into the pinned maps of a running snatd."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import numpy as np

from snatsh.datapath import flows, kernel, layout
from snatsh.datapath.kernel import Map

FIRST_SOURCE = int(IPv4Address("10.40.1.0"))
FIRST_MAPPED = int(IPv4Address("1.1.2.100"))
SOURCES, MAPPED, DESTINATIONS = 20_000, 11, 5_000
LIFE_SECONDS = 3600
_BATCH = 50_000


def fill(pins: Path, max_flows: int, count: int, out_ifindex: int, rule: int) -> None:
    """Flows of `SOURCES` inside addresses, in all states, that live for an hour."""
    folder = pins / f"v{layout.LAYOUT_VERSION}-{max_flows}"
    maps = {
        name: Map(kernel.open_pin(folder / name), *layout.MAPS[name][:2]) for name in ("flows", "mappings")
    }
    for start in range(0, count, _BATCH):
        _fill(maps, np.arange(start, min(start + _BATCH, count)), out_ifindex, rule)


def _fill(maps: dict[str, Map], numbers: np.ndarray, out_ifindex: int, rule: int) -> None:
    random = np.random.default_rng(int(numbers[0]))
    now, second = flows.now_ticks(), layout.TICKS_PER_SECOND
    keys = np.zeros(len(numbers), dtype=layout.FLOW_KEY)
    keys["source"] = FIRST_SOURCE + numbers % SOURCES
    keys["source_port"] = 1024 + numbers // SOURCES
    keys["destination"] = int(IPv4Address("203.0.113.0")) + random.integers(0, DESTINATIONS, len(numbers))
    keys["destination_port"] = random.choice([53, 80, 443, 8080], len(numbers))
    keys["protocol"] = random.choice([6, 17], len(numbers))
    ages = random.integers(1, 600 * int(second), len(numbers))
    forward = np.zeros(len(numbers), dtype=layout.FLOW)
    forward["touched"] = now - random.integers(0, ages)
    forward["expires"] = now + int(LIFE_SECONDS * second)
    forward["state"] = random.integers(0, len(layout.STATE_NAMES), len(numbers))
    # Each mapped endpoint once per destination: number by number through addresses and ports.
    forward["mapped"] = FIRST_MAPPED + numbers % MAPPED
    forward["mapped_port"] = 1024 + numbers // MAPPED % 64_000
    forward["out_ifindex"] = out_ifindex
    forward["packets"] = random.integers(1, 10_000, len(numbers))
    forward["bytes"] = forward["packets"] * 700
    back = np.zeros(len(numbers), dtype=layout.MAPPING)
    back["inside"], back["inside_port"] = keys["source"], keys["source_port"]
    back["touched"], back["created"] = forward["touched"], now - ages
    back["rule"], back["out_ifindex"] = rule, out_ifindex
    back["packets"], back["bytes"] = forward["packets"], forward["bytes"] * 2
    maps["mappings"].put_all(flows.reply_keys(keys, forward), back)
    maps["flows"].put_all(keys, forward)
