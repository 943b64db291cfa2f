# SPDX-License-Identifier: Apache-2.0
"""From one set of maps to another of the same layout with other room for flows, without losing any.

First everything is copied; when the programs of the new maps have taken over, what the old ones opened
meanwhile follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.flow_table import FlowTable

Maps = Mapping[str, Map]

_ENDPOINTS = ("endpoints", "eim_mappings")
_TABLE = frozenset({"tag_buckets", "records", "record_counts", "free_records"})
_LEFT = _TABLE | {"xdp_programs", "tc_programs", "allocators", "fragments"}
"""Copied flow by flow, filled by the loader, or only hints and fragments in flight."""


def copy(old: Maps, new: Maps, table: FlowTable) -> int:
    """Everything; how many flows. Where the new table holds fewer, as many as it holds."""
    for name in sorted(set(new) - _LEFT):
        new[name].put_all(*old[name].dump())
    return copy_flows(old, new, table, settle=False)


def copy_flows(old: Maps, new: Maps, table: FlowTable, *, settle: bool) -> int:
    """The flows that the new table does not have yet, with what belongs to them; how many.

    settle: add them to the gauges of their pools and subscribers.
    """
    for name in _ENDPOINTS:
        keys, values = old[name].dump()
        missing = _missing(keys, new[name])
        new[name].put_all(keys[missing], values[missing])
    adopted = 0
    for records in FlowTable(old, {}).parts():
        adopted += table.adopt(records[table.find(records["key"]) == 0], settle=settle)
    return adopted


def _missing(keys: NDArray[Any], there: Map) -> NDArray[np.bool_]:
    held, _ = there.dump()
    found: NDArray[np.bool_] = ~np.isin(_comparable(keys), _comparable(held))
    return found


def _comparable(keys: NDArray[Any]) -> NDArray[Any]:
    """Keys as plain bytes: structured arrays have no order."""
    packed = np.ascontiguousarray(keys)
    return packed.view(np.dtype((np.void, packed.dtype.itemsize))).reshape(-1)
