# SPDX-License-Identifier: Apache-2.0
"""Endpoint-independent mappings as numpy arrays, and what is ended of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath import bpf_syscall, layout
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import EIM_ENDED, SWEEP_KEYS
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.flows import SECONDS_PER_TICK, elapsed, now_ticks

# What consoles see of a mapping. Addresses and ports are numbers in host order; age and expires are seconds.
# flows: those that hold it; without any it ends.
MAPPING_VIEW = np.dtype(
    [
        ("source", "u4"), ("mapped", "u4"), ("source_port", "u2"), ("mapped_port", "u2"), ("protocol", "u1"),
        ("rule", "u4"), ("flows", "u4"), ("age", "f8"), ("expires", "f8"),
    ]
)  # fmt: skip


def view(maps: Mapping[str, Map]) -> NDArray[Any]:
    """All mappings in use as MAPPING_VIEW rows."""
    keys, mappings = maps["eim_mappings"].dump()
    now = now_ticks()
    used = ~_is_unused(mappings, now) & (mappings["flows"] < EIM_ENDED)
    keys, mappings = keys[used], mappings[used]
    shown: NDArray[Any] = np.zeros(len(keys), dtype=MAPPING_VIEW)
    for name in ("mapped", "mapped_port", "protocol"):
        shown[name] = keys[name]
    shown["source"], shown["source_port"] = mappings["inside"], mappings["inside_port"]
    shown["rule"], shown["flows"] = mappings["rule"], mappings["flows"]
    shown["age"] = np.maximum(elapsed(now, mappings["created"]), 0) * SECONDS_PER_TICK
    shown["expires"] = -elapsed(now, mappings["expires"]) * SECONDS_PER_TICK
    return shown


def flows_of(table: FlowTable, rows: NDArray[Any]) -> NDArray[np.uint64]:
    """The `live` of all flows that use these mappings, MAPPING_VIEW rows."""
    wanted = _external(rows["mapped"], rows["mapped_port"], rows["protocol"])
    lives = [np.zeros(0, dtype=np.uint64)]
    for part in table.parts():
        reply = part["reply"]
        external = _external(reply["destination"], reply["destination_port"], reply["protocol"])
        lives.append(part["live"][np.isin(external, wanted)])
    return np.concatenate(lives)


def _external(address: NDArray[Any], port: NDArray[Any], protocol: NDArray[Any]) -> NDArray[np.uint64]:
    """An external endpoint as one number."""
    packed: NDArray[np.uint64] = address.astype(np.uint64) << np.uint64(24)
    packed |= port.astype(np.uint64) << np.uint64(8)
    packed |= protocol.astype(np.uint64)
    return packed


def count_left(maps: Mapping[str, Map], rows: NDArray[Any]) -> int:
    """How many of these MAPPING_VIEW rows are still there. Younger ones with their endpoints do not count."""
    there = view(maps)
    held = _external(there["mapped"], there["mapped_port"], there["protocol"])
    wanted = _external(rows["mapped"], rows["mapped_port"], rows["protocol"])
    order = np.argsort(held)
    at = np.searchsorted(held[order], wanted)
    found = at < len(held)
    same = order[at[found]]
    return int(((held[same] == wanted[found]) & (there["age"][same] >= rows["age"][found])).sum())


def unused(maps: Mapping[str, Map]) -> NDArray[Any]:
    """Keys of the mappings whose time is over or that no flow holds."""
    keys, mappings = maps["eim_mappings"].dump()
    found: NDArray[Any] = keys[_is_unused(mappings, now_ticks())]
    return found


def remove_stray_peers(maps: Mapping[str, Map]) -> None:
    """Remove the peers of mappings that are gone: what a race has left."""
    peers, _ = maps["eim_peers"].dump()
    if not len(peers):
        return
    keys, _ = maps["eim_mappings"].dump()
    there = _external(keys["mapped"], keys["mapped_port"], keys["protocol"])
    stray = ~np.isin(_external(peers["mapped"], peers["mapped_port"], peers["protocol"]), there)
    maps["eim_peers"].remove_all(peers[stray])


def _is_unused(mappings: NDArray[Any], now: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (elapsed(now, mappings["expires"]) >= 0) | (mappings["flows"] == 0)
    return found


def end_unused(sweep: int, keys: NDArray[Any]) -> None:
    """End these mappings, if they still are unused. sweep: the program's file descriptor."""
    for start in range(0, len(keys), SWEEP_KEYS):
        part = np.ascontiguousarray(keys[start : start + SWEEP_KEYS])
        header: NDArray[Any] = np.zeros(1, dtype=layout.SWEEP_HEADER)
        header["count"] = len(part)
        bpf_syscall.test_run(sweep, header.tobytes() + part.tobytes())
