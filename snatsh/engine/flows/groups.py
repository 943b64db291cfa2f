# SPDX-License-Identifier: Apache-2.0
"""Sums of flows by subscriber, rule, pool address, destination or link.

Summing a million flows takes a third of a second, so it is done once per snapshot for all consoles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from snatsh.api.fields import FieldTable
from snatsh.api.flows import FlowGroup
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.listing import Columns, ListingQuery, chosen, cut
from snatsh.engine.flows.query import address_text, both
from snatsh.engine.flows.snapshot import Snapshot

G = TypeVar("G", bound=FlowGroup)

GROUPS = {
    "subscriber": "source", "rule": "rule", "pool-address": "mapped", "destination": "destination",
    "link": "out_interface",
}  # fmt: skip

More = Mapping[str, Callable[[Columns], Columns]]
"""Additional columns by name, computed from the values of the groups."""


@dataclass(frozen=True, slots=True)
class Sums:
    """values: of the groups. columns: by name, an entry per group. matched: number of flows summed."""

    values: Columns
    columns: Mapping[str, Columns]
    matched: int


def sums(snapshot: Snapshot, request: ListingQuery, by: str, interfaces: Mapping[int, str]) -> Sums:
    """Sum the flows that match the filter and text of a request."""
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
        "bytes": np.bincount(at, weights=both(flows, "bytes"), minlength=len(values)),
        "packets": np.bincount(at, weights=both(flows, "packets"), minlength=len(values)),
    }
    return Sums(values, columns, len(flows))


def screenful(
    found: Sums,
    request: ListingQuery,
    name: Callable[[int], str],
    kind: type[G],
    fields: FieldTable,
    more: More | None = None,
) -> list[G]:
    """Return the page of groups that a request selects. name: formats a value."""
    columns: dict[str, Columns] = {**found.columns}
    columns.update({title: column(found.values) for title, column in (more or {}).items()})
    if request.sort not in fields.sorts:
        raise QueryError(f"sort: {request.sort}: expected one of {', '.join(fields.sorts)}")
    keys = found.values if request.sort == "name" else columns[request.sort]
    return [
        kind(name=name(int(found.values[place])), **{key: int(of[place]) for key, of in columns.items()})
        for place in cut(keys, request, fields)
    ]


def group_name(by: str, interfaces: Mapping[int, str]) -> Callable[[int], str]:
    if by == "rule":
        return str
    if by == "link":
        return lambda index: interfaces.get(index, str(index))
    return address_text
