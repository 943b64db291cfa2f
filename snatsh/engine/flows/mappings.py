# SPDX-License-Identifier: Apache-2.0
"""Endpoint-independent mappings for consoles: listings by filter and order, and ending them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snatsh.api.mappings import MAPPING_FIELDS, MAPPING_FILTERS, MappingListing, MappingRow
from snatsh.engine.config.commit import Plan
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.filters import parse_filter, parse_number, parse_turned
from snatsh.engine.flows.query import DEFAULT_LIMIT, FlowFilter, address_text, descending, parse_limit
from snatsh.engine.flows.text_match import endpoint_matches
from snatsh.engine.worker import ChangeWorker
from snatsh.model.vocabulary import PROTOCOL_NAMES

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

Mappings = NDArray[np.void]


class MappingService:
    """running: the plan that the datapath runs."""

    def __init__(self, datapath: Datapath, worker: ChangeWorker, running: Callable[[], Plan]) -> None:
        self._datapath = datapath
        self._worker = worker
        self._running = running
        self._one_copy = asyncio.Lock()

    async def listing(self, query: Mapping[str, str]) -> MappingListing:
        """List mappings. query: a filter, `text`, `limit`, `offset`, `sort` and `turned`."""
        words = dict(query)
        limit = parse_limit(words.pop("limit", str(DEFAULT_LIMIT)))
        offset = parse_number("offset", words.pop("offset", "0"))
        text = words.pop("text", "")
        sort, turned = _order(words)
        wanted = self._filter(words)

        def select() -> MappingListing:
            table = self._datapath.mappings()
            matching = _with_text(wanted.select(table), text)
            shown = _ordered(matching, sort, reversed_=turned)[offset : offset + limit]
            return MappingListing(len(table), len(matching), list(_rows(shown)))

        async with self._one_copy:
            return await asyncio.to_thread(select)

    async def end(self, query: Mapping[str, str]) -> int:
        """End the mappings that a filter matches, with their flows. Return the number of mappings ended."""
        wanted = self._filter(query)
        datapath = self._datapath
        return await self._worker.run(lambda: datapath.end_mappings(wanted.select(datapath.mappings())))

    def _filter(self, query: Mapping[str, str]) -> FlowFilter:
        unknown = sorted(set(query) - set(MAPPING_FILTERS))
        if unknown:
            raise QueryError(f"{unknown[0]}: no such filter; expected one of {', '.join(MAPPING_FILTERS)}")
        return parse_filter(query, self._running())


def _order(words: dict[str, str]) -> tuple[str, bool]:
    """Take the order out of the words of a query."""
    sort = words.pop("sort", "source")
    if sort not in MAPPING_FIELDS.sorts:
        raise QueryError(f"sort: {sort}: expected one of {', '.join(MAPPING_FIELDS.sorts)}")
    return sort, parse_turned(words.pop("turned", "no"))


def _with_text(mappings: Mappings, text: str) -> Mappings:
    """Those with a text in an endpoint, the protocol or the rule; without it if it begins with `!`."""
    wanted = text.strip().lower().removeprefix("!").strip()
    if not wanted:
        return mappings
    named = [number for number, name in PROTOCOL_NAMES.items() if wanted in name]
    found = np.isin(mappings["protocol"], named)
    for name in ("source", "mapped"):
        found |= endpoint_matches(mappings[name], mappings[f"{name}_port"], wanted)
    if wanted.isdigit():
        found |= np.char.find(mappings["rule"].astype(str), wanted) >= 0
    chosen: Mappings = mappings[~found if text.strip().startswith("!") else found]
    return chosen


def _ordered(mappings: Mappings, sort: str, *, reversed_: bool) -> Mappings:
    """In this order; equal ones by endpoint."""
    keys = mappings[sort]
    keys = descending(keys) if MAPPING_FIELDS.is_descending(sort, reversed_=reversed_) else keys
    ends = ("protocol", "source_port", "source")
    ordered: Mappings = mappings[np.lexsort((*(mappings[name] for name in ends), keys))]
    return ordered


def _rows(mappings: Mappings) -> Iterator[MappingRow]:
    columns = [_shown(name, mappings[name].tolist()) for name in MappingRow.__struct_fields__]
    return map(MappingRow, *columns)


def _shown(name: str, values: list[Any]) -> list[Any]:
    match name:
        case "source" | "mapped":
            return [address_text(value) for value in values]
        case "protocol":
            return [PROTOCOL_NAMES.get(value, str(value)) for value in values]
        case "age" | "expires":
            return [round(value, 1) for value in values]
    return values
