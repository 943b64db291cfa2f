# SPDX-License-Identifier: Apache-2.0
"""Flows summed up by subscriber, rule, pool address, destination or link.

Sums over a million flows take a third of a second: they are made once per reading, for all who look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from snatsh.engine.errors import QueryError
from snatsh.engine.flows.listing import SORTS, Columns, ListingQuery, chosen, cut
from snatsh.engine.flows.query import address_text
from snatsh.engine.flows.snapshot import Snapshot

GROUPS = {
    "subscriber": "source", "rule": "rule", "pool-address": "mapped", "destination": "destination",
    "link": "out_interface",
}  # fmt: skip

More = Mapping[str, Callable[[Columns], Columns]]
"""Columns that flows do not tell, by name: from the groups' values."""


@dataclass(frozen=True, slots=True)
class Sums:
    """A row per group: its value, and its columns by name. matched: flows that were summed up."""

    values: Columns
    columns: Mapping[str, Columns]
    matched: int


def sums(snapshot: Snapshot, request: ListingQuery, by: str, interfaces: Mapping[int, str]) -> Sums:
    """Over the flows that the wish's filter and text match."""
    if by not in GROUPS:
        raise QueryError(f"by: {by}: expected one of {', '.join(GROUPS)}")
    question = "sums", by, request.filter, request.text
    return snapshot.once(question, lambda: _sums(snapshot, request, by, interfaces))


def _sums(snapshot: Snapshot, request: ListingQuery, by: str, interfaces: Mapping[int, str]) -> Sums:
    places = chosen(snapshot, request, interfaces)
    flows = snapshot.picked(places)
    rates = snapshot.rates if places is None else snapshot.rates[places]
    values, at = np.unique(flows[GROUPS[by]], return_inverse=True)
    columns = {
        "rate": np.bincount(at, weights=rates, minlength=len(values)),
        "flows": np.bincount(at, minlength=len(values)).astype(np.float64),
        "bytes": np.bincount(at, weights=SORTS["bytes"](flows), minlength=len(values)),
        "packets": np.bincount(at, weights=SORTS["packets"](flows), minlength=len(values)),
    }
    return Sums(values, columns, len(flows))


def screenful(
    found: Sums, request: ListingQuery, name: Callable[[int], str], more: More | None = None
) -> list[dict[str, Any]]:
    """The groups that the request shows, in its order. name: how a value is written."""
    columns: dict[str, Columns] = {**found.columns}
    columns.update({title: column(found.values) for title, column in (more or {}).items()})
    if request.sort not in (*columns, "name"):
        raise QueryError(f"sort: {request.sort}: expected one of {', '.join(columns)}, name")
    keys = found.values if request.sort == "name" else columns[request.sort]
    return [
        {"name": name(int(found.values[place])), **{key: int(of[place]) for key, of in columns.items()}}
        for place in cut(keys, request, falling=(request.sort != "name") != request.turned)
    ]


def group_name(by: str, interfaces: Mapping[int, str]) -> Callable[[int], str]:
    if by == "rule":
        return str
    if by == "link":
        return lambda index: interfaces.get(index, str(index))
    return address_text
