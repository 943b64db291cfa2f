# SPDX-License-Identifier: Apache-2.0
"""Gauges of pool addresses and subscribers, counted from the flow table."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import SEEN_REPLY
from snatsh.datapath.flow_table import FlowTable

Counts = dict[str, list[NDArray[Any]]]
"""By gauge, the addresses of the flows that count in it."""


def recount(maps: Mapping[str, Map], table: FlowTable) -> None:
    """Set every gauge to what the table holds. No program may use the maps meanwhile."""
    usage: Counts = {"tcp": [], "udp": [], "icmp": []}
    subscribers: Counts = {"sessions": [], "half_open": []}
    for records in table.parts():
        protocol, inside, mapped = (
            records["key"]["protocol"],
            records["key"]["source"].astype(np.uint32),
            records["reply"]["destination"].astype(np.uint32),
        )
        is_tcp, is_udp = protocol == socket.IPPROTO_TCP, protocol == socket.IPPROTO_UDP
        usage["tcp"].append(mapped[is_tcp])
        usage["udp"].append(mapped[is_udp])
        usage["icmp"].append(mapped[~is_tcp & ~is_udp])
        subscribers["sessions"].append(inside)
        subscribers["half_open"].append(inside[records["outbound"]["seen"] & SEEN_REPLY == 0])
    _put(maps["address_usage"], usage)
    _put(maps["subscribers"], subscribers)


def _put(gauges: Map, counts: Counts) -> None:
    """Write these gauges of every address that has any; other fields stay."""
    held, values = gauges.dump()
    held = held.astype(np.uint32)
    addresses = np.unique(np.concatenate([held, *(one for parts in counts.values() for one in parts)]))
    rows: NDArray[Any] = np.zeros(len(addresses), dtype=gauges.value)
    rows[np.searchsorted(addresses, held)] = values
    for name, parts in counts.items():
        rows[name] = 0
        for part in parts:
            found, count = np.unique(part, return_counts=True)
            rows[name][np.searchsorted(addresses, found)] += count.astype(rows[name].dtype)
    gauges.put_all(addresses.astype(gauges.key), rows)


def usage_rows(gauges: Map) -> NDArray[Any]:
    """A row for each pool address that was ever used: active flows by protocol, created, exhausted."""
    addresses, usage = gauges.dump()
    names = ("tcp", "udp", "icmp")
    kinds = [("address", "u4"), *((name, "u4") for name in names), ("created", "u8"), ("exhausted", "u8")]
    rows: NDArray[Any] = np.zeros(len(addresses), dtype=kinds)
    rows["address"] = addresses
    for name in names:
        rows[name] = _held(usage[name])
    for name in ("created", "exhausted"):
        rows[name] = usage[name]
    return rows


def subscriber_rows(gauges: Map) -> NDArray[Any]:
    """A row for each inside address: its sessions, and how many it was refused."""
    addresses, counts = gauges.dump()
    rows: NDArray[Any] = np.zeros(
        len(addresses), dtype=[("address", "u4"), ("sessions", "u4"), ("refused", "u4")]
    )
    rows["address"], rows["sessions"], rows["refused"] = (
        addresses,
        _held(counts["sessions"]),
        counts["refused"],
    )
    return rows


def _held(gauge: NDArray[Any]) -> NDArray[Any]:
    """A gauge as it is shown. One below zero is the end of a flow seen before its begin, by another CPU."""
    return np.maximum(gauge.astype(np.int32), 0)
