"""From one set of maps to another of the same layout with other room for flows, without losing any.

First everything is copied; when the programs of the new maps have taken over, what the old ones opened
meanwhile follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath.flows import reply_keys
from snatsh.datapath.kernel import Map

Maps = Mapping[str, Map]

_FLOWS = ("flows", "mappings")
_ENDPOINTS = ("endpoints", "exteriors")
_LEFT = frozenset({*_FLOWS, "xdp_programs", "tc_programs", "allocators", "fragments"})
"""Copied by themselves, made anew, or hints and parts of packets that nobody misses."""


def copy(old: Maps, new: Maps) -> int:
    """Everything; how many flows. Where the new tables hold fewer, as many as they hold."""
    for name in sorted(set(new) - _LEFT):
        new[name].put_all(*old[name].dump())
    return copy_flows(old, new)


def copy_flows(old: Maps, new: Maps) -> int:
    """The flows that `new` does not have yet, with what belongs to them; how many."""
    for name in _ENDPOINTS:
        keys, values = old[name].dump()
        missing = _missing(keys, new[name])
        new[name].put_all(keys[missing], values[missing])
    keys, flows = old["flows"].dump()
    missing = _missing(keys, new["flows"])
    room = new["flows"].info.max_entries - len(new["flows"].dump()[0])
    keys, flows = keys[missing][:room], flows[missing][:room]
    replies, mappings = old["mappings"].dump()
    own = np.isin(_comparable(replies), _comparable(reply_keys(keys, flows)))
    new["mappings"].put_all(replies[own], mappings[own])
    new["flows"].put_all(keys, flows)
    return len(keys)


def _missing(keys: NDArray[Any], there: Map) -> NDArray[np.bool_]:
    held, _ = there.dump()
    found: NDArray[np.bool_] = ~np.isin(_comparable(keys), _comparable(held))
    return found


def _comparable(keys: NDArray[Any]) -> NDArray[Any]:
    """Keys as plain bytes: structured arrays have no order."""
    packed = np.ascontiguousarray(keys)
    return packed.view(np.dtype((np.void, packed.dtype.itemsize))).reshape(-1)
