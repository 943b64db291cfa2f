# SPDX-License-Identifier: Apache-2.0
"""One page of the flow table: filtered, sorted and cut from a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.api.fields import FieldTable
from snatsh.api.flows import FLOW_FIELDS
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.query import FlowFilter, descending, sort_keys
from snatsh.engine.flows.snapshot import Snapshot
from snatsh.engine.flows.text_match import matching

Columns = NDArray[Any]
_MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """text: has to occur in a row, or must not if it begins with `!`. turned: reverse the order."""

    filter: FlowFilter
    text: str = ""
    sort: str = "rate"
    turned: bool = False
    offset: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= _MOST_ROWS:
            raise QueryError(f"limit: {self.limit}: expected a number from 0 to {_MOST_ROWS}")
        if self.offset < 0:
            raise QueryError(f"offset: {self.offset}: expected 0 or more")


def chosen(
    snapshot: Snapshot, request: ListingQuery, interfaces: Mapping[int, str]
) -> NDArray[np.intp] | None:
    """Return the positions of the flows that match; None for all of them."""
    question = "chosen", request.filter, request.text
    return snapshot.once(question, lambda: _chosen(snapshot, request, interfaces))


def _chosen(
    snapshot: Snapshot, request: ListingQuery, interfaces: Mapping[int, str]
) -> NDArray[np.intp] | None:
    places = None if request.filter == FlowFilter() else np.flatnonzero(request.filter.mask(snapshot.flows))
    if not request.text.strip("! "):
        return places
    found = matching(snapshot.picked(places), request.text.removeprefix("!"), interfaces)
    found = ~found if request.text.startswith("!") else found
    return np.flatnonzero(found) if places is None else places[found]


def page(snapshot: Snapshot, request: ListingQuery, places: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """Return the positions of the rows on the page, in order."""
    if request.sort not in FLOW_FIELDS.sorts:
        raise QueryError(f"sort: {request.sort}: expected one of {', '.join(FLOW_FIELDS.sorts)}")
    if request.sort == "rate":
        keys: Columns = snapshot.rates if places is None else snapshot.rates[places]
    else:
        keys = sort_keys(snapshot.picked(places), request.sort)
    shown = cut(keys, request, FLOW_FIELDS)
    return shown if places is None else places[shown]


def cut(keys: Columns, request: ListingQuery, fields: FieldTable) -> NDArray[np.intp]:
    """Return positions `offset` to `offset + limit` of the sorted keys."""
    if fields.is_descending(request.sort, reversed_=request.turned):
        keys = descending(keys)
    last = request.offset + request.limit
    if 0 < last < len(keys) // 4:
        # Sort equal keys by position, so that rows do not jump and pages do not overlap.
        limit = np.partition(keys, last - 1)[last - 1]
        below = np.flatnonzero(keys < limit)
        nearest = np.sort(np.concatenate([below, np.flatnonzero(keys == limit)[: last - len(below)]]))
        ordered = nearest[np.argsort(keys[nearest], kind="stable")]
    else:
        ordered = np.argsort(keys, kind="stable")
    return ordered[request.offset : last]
