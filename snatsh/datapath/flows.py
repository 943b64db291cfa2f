# SPDX-License-Identifier: Apache-2.0
"""The flow table as numpy arrays, and what is ended of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath import bpf_syscall, layout
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import TICK_SHIFT
from snatsh.datapath.flow_table import FlowTable

# What consoles see of a flow. Addresses and ports are numbers in host order; age, idle and expires are
# seconds; out is inside to outside; redirect is 0 where the route decides.
FLOW_VIEW = np.dtype(
    [
        ("source", "u4"), ("destination", "u4"), ("mapped", "u4"),
        ("source_port", "u2"), ("destination_port", "u2"), ("mapped_port", "u2"),
        ("protocol", "u1"), ("state", "u1"), ("rule", "u4"), ("out_interface", "i4"), ("redirect", "u4"),
        ("packets_out", "u8"), ("bytes_out", "u8"), ("packets_in", "u8"), ("bytes_in", "u8"),
        ("age", "f8"), ("idle", "f8"), ("expires", "f8"),
    ]
)  # fmt: skip

SECONDS_PER_TICK = 1 / layout.TICKS_PER_SECOND


def now_ticks() -> int:
    """The datapath's clock: CLOCK_MONOTONIC in ticks, 32 bits."""
    return (time.clock_gettime_ns(time.CLOCK_MONOTONIC) >> TICK_SHIFT) & 0xFFFFFFFF


def elapsed(now: int, ticks: NDArray[Any]) -> NDArray[np.int32]:
    """Ticks from `ticks` until now, negative for the future; right across the wrap of 32 bits."""
    return (np.uint32(now) - ticks.astype(np.uint32)).astype(np.int32)


def view(table: FlowTable) -> NDArray[Any]:
    """All live flows as FLOW_VIEW rows."""
    now = now_ticks()
    parts = [_shown(_unexpired(records, now), now) for records in table.parts()]
    return bpf_syscall.joined(parts) if parts else np.zeros(0, dtype=FLOW_VIEW)


def elsewhere(table: FlowTable, homes: Mapping[int, int]) -> NDArray[Any]:
    """FLOW_VIEW rows of the flows that leave by another interface than their rule's (FlowTable.elsewhere)."""
    now = now_ticks()
    return _shown(_unexpired(table.elsewhere(homes), now), now)


def _unexpired(records: NDArray[Any], now: int) -> NDArray[Any]:
    unexpired: NDArray[Any] = records[elapsed(now, records["outbound"]["expires"]) < 0]
    return unexpired


def look_up(table: FlowTable, rows: NDArray[Any]) -> NDArray[Any]:
    """These FLOW_VIEW rows as they are now, one lookup each; without those that ended meanwhile."""
    return _shown(table.get(keys_of(rows)), now_ticks())


def _shown(records: NDArray[Any], now: int) -> NDArray[Any]:
    shown: NDArray[Any] = np.zeros(len(records), dtype=FLOW_VIEW)
    keys, flows, mappings = records["key"], records["outbound"], records["inbound"]
    for name in ("source", "destination", "source_port", "destination_port", "protocol"):
        shown[name] = keys[name]
    for name in ("mapped", "mapped_port", "state", "redirect"):
        shown[name] = flows[name]
    shown["rule"] = mappings["rule"]
    shown["out_interface"] = flows["out_ifindex"]
    shown["packets_out"], shown["bytes_out"] = flows["packets"], flows["bytes"]
    shown["packets_in"], shown["bytes_in"] = mappings["packets"], mappings["bytes"]
    shown["age"] = np.maximum(elapsed(now, mappings["created"]), 0) * SECONDS_PER_TICK
    idle = np.minimum(elapsed(now, flows["touched"]), elapsed(now, mappings["touched"]))
    shown["idle"] = np.minimum(np.maximum(idle, 0) * SECONDS_PER_TICK, shown["age"])
    shown["expires"] = -elapsed(now, flows["expires"]) * SECONDS_PER_TICK
    return shown


def keys_of(rows: NDArray[Any]) -> NDArray[Any]:
    """Flow keys of FLOW_VIEW rows."""
    keys: NDArray[Any] = np.zeros(len(rows), dtype=layout.FLOW_KEY)
    for name in ("source", "destination", "source_port", "destination_port", "protocol"):
        keys[name] = rows[name]
    return keys


def note_ended(maps: Mapping[str, Map], keys: NDArray[Any], seconds: int) -> None:
    """For so long, packets of these TCP flows are answered by a reset once there is no flow any more."""
    until: NDArray[Any] = np.zeros(len(keys), dtype=layout.INDEX)
    until[:] = now_ticks() + int(seconds * layout.TICKS_PER_SECOND) & 0xFFFFFFFF
    maps["terminated_flows"].put_all(keys, until)


def withdrawn(table: FlowTable, maps: Mapping[str, Map], slot: int) -> NDArray[np.uint64]:
    """The `live` of the flows whose mapped address is in no pool of the half `slot`."""
    found = [part["live"][~in_pools(maps, slot, part["outbound"]["mapped"])] for part in table.parts()]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)


def lost_addresses(maps: Mapping[str, Map], slot: int) -> bool:
    """Whether the pools of the other half held an address that those of the half `slot` do not."""
    now, before = _runs(maps, slot), _runs(maps, 1 - slot)
    at = np.searchsorted(now[0], before[0], side="right") - 1
    if not len(now[0]):
        return len(before[0]) > 0
    kept = (at >= 0) & (before[1] <= now[1][np.maximum(at, 0)])
    return not bool(kept.all())


def _runs(maps: Mapping[str, Map], slot: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and last addresses of the pools of a half, in order, neighbours joined."""
    prefixes, _ = maps["pool_addresses"].dump()
    mine = prefixes[prefixes["slot"] == slot]
    first = mine["address"].astype(np.uint64)
    last = first + (np.uint64(1) << (64 - mine["prefix_length"].astype(np.uint64))) - np.uint64(1)
    order = np.argsort(first)  # pools do not overlap, so the runs are disjoint
    first, last = first[order], last[order]
    begins = np.ones(len(first), dtype=bool)
    begins[1:] = first[1:] != last[:-1] + np.uint64(1)
    ends = np.append(begins[1:], True)[: len(first)]
    return first[begins], last[ends]


def in_pools(maps: Mapping[str, Map], slot: int, addresses: NDArray[Any]) -> NDArray[Any]:
    """Whether each address belongs to a pool of the half `slot`."""
    return within(*_runs(maps, slot), addresses)


def within(first: NDArray[Any], last: NDArray[Any], addresses: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each address is in one of these runs, which are in order and do not overlap."""
    if not len(first):
        return np.zeros(len(addresses), dtype=bool)
    wanted = addresses.astype(np.uint64)
    at = np.searchsorted(first, wanted, side="right") - 1
    inside: NDArray[np.bool_] = (at >= 0) & (wanted <= last[np.maximum(at, 0)])
    return inside
