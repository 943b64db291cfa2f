# SPDX-License-Identifier: Apache-2.0
"""From one set of maps to another of the same layout, without losing a flow.

First everything is copied and the gauges are counted, while no program uses the new maps; when the programs
of the new maps have taken over, what the old ones opened meanwhile follows. Of the old maps, only the records
are indispensable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath import gauges, layout
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.loading.recovery import MapSet

Maps = Mapping[str, Map]

_TABLE = frozenset({"tag_buckets", "records", "record_counts", "free_records"})
_LEFT = _TABLE | {"xdp_programs", "tc_programs", "allocators", "fragments", "known_interfaces",
                  "eim_peers", "subscribers", "refusal_rates"}  # fmt: skip
"""Copied flow by flow or counted from the flows, filled by the loader or at a commit, or only hints, rates
and fragments in flight."""


def copy_tables(sets: Iterable[MapSet], new: Maps) -> None:
    """Everything but the flows, of the first set that has it."""
    for name in sorted(set(new) - _LEFT):
        held = next((one.maps[name] for one in sets if name in one.maps), None)
        if held is not None:
            keys, values = held.dump()
            new[name].put_all(keys, _unheld(values) if name == "eim_mappings" else values)


def copy_all_flows(sets: Iterable[MapSet], new: Maps, table: FlowTable) -> None:
    """The flows of all sets, as many as the table has room for; the gauges are counted anew."""
    for one in sets:
        copy_flows(one.maps, new, table, settle=False)
    gauges.recount(new, table)


def copy_flows(old: Maps, new: Maps, table: FlowTable, *, settle: bool) -> int:
    """The flows that the new table does not have yet, with what belongs to them; how many.

    settle: add them to the gauges of their pools and subscribers.
    """
    if "records" not in old:
        return 0
    if "eim_mappings" in old:
        keys, values = old["eim_mappings"].dump()
        missing = _missing(keys, new["eim_mappings"])
        new["eim_mappings"].put_all(keys[missing], _unheld(values[missing]))
        new["endpoints"].put_all(_endpoints(keys[missing], values[missing]), keys[missing])
    adopted = 0
    for records in FlowTable(old, {}).parts():
        adopted += table.adopt(records[table.find(records["key"]) == 0], settle=settle)
    return adopted


def _unheld(mappings: NDArray[Any]) -> NDArray[Any]:
    """These mappings without flows: each that is adopted holds its mapping."""
    copied: NDArray[Any] = mappings.copy()
    copied["flows"] = 0
    return copied


def _endpoints(keys: NDArray[Any], mappings: NDArray[Any]) -> NDArray[Any]:
    """The keys under which the internal endpoints of these mappings are found."""
    found: NDArray[Any] = np.zeros(len(keys), dtype=layout.ENDPOINT_KEY)
    for name in ("inside", "pool", "inside_port"):
        found[name] = mappings[name]
    found["protocol"] = keys["protocol"]
    return found


def _missing(keys: NDArray[Any], there: Map) -> NDArray[np.bool_]:
    held, _ = there.dump()
    found: NDArray[np.bool_] = ~np.isin(_comparable(keys), _comparable(held))
    return found


def _comparable(keys: NDArray[Any]) -> NDArray[Any]:
    """Keys as plain bytes: structured arrays have no order."""
    packed = np.ascontiguousarray(keys)
    return packed.view(np.dtype((np.void, packed.dtype.itemsize))).reshape(-1)
