# SPDX-License-Identifier: Apache-2.0
"""Recorded answers for other queries: their rows filtered, sorted and cut."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from snatsh.api.flows import FLOW_FIELDS, GROUP_FIELDS
from snatsh.api.mappings import MAPPING_FIELDS
from snatsh.api.subscribers import SUBSCRIBER_FIELDS

Query = Mapping[str, str]
Json = dict[str, Any]

_LISTS = {
    "flows": FLOW_FIELDS, "mappings": MAPPING_FIELDS, "groups": GROUP_FIELDS,
    "subscribers": SUBSCRIBER_FIELDS,
}  # fmt: skip
_MATCHED = {"flows", "mappings"}
_VIEW = {"sort", "turned", "offset", "limit", "text"}
_OWN = _VIEW | {"by"}
_ADDRESSES = {"source", "destination", "mapped"}


def again(answer: Json, query: Query) -> Json:
    name = next((name for name in _LISTS if isinstance(answer.get(name), list)), None)
    if name is None or "limit" not in query:
        return answer
    rows = [row for row in answer[name] if _matches(row, query)]
    sort = query.get("sort", "rate")
    falling = _LISTS[name].is_descending(sort, reversed_=query.get("turned") == "yes")
    rows.sort(key=lambda row: _value(row, sort), reverse=falling)
    offset, limit = int(query.get("offset", 0)), int(query["limit"])
    kept = {"matched" if name in _MATCHED else "count": len(rows)}  # more rows were not recorded
    return {**answer, **kept, name: rows[offset : offset + limit]}


def subject(query: Query) -> dict[str, str]:
    """Return what a query selects, without order and limit."""
    return {name: value for name, value in query.items() if name not in _VIEW}


def _matches(row: Json, query: Query) -> bool:
    text = query.get("text", "")
    ends = (f"{row.get(name)}:{row.get(f'{name}_port')}" for name in _ADDRESSES)
    everything = " ".join((*ends, *(str(value) for value in row.values())))
    if text and (text.removeprefix("!") in everything) == text.startswith("!"):
        return False
    for name, value in query.items():
        if name in _ADDRESSES and name in row:
            if IPv4Address(row[name]) not in IPv4Network(value, strict=False):
                return False
        elif name not in _OWN and name in row and str(row[name]) != value:
            return False
    return True


def _value(row: Json, sort: str) -> Any:
    if sort in ("bytes", "packets") and sort not in row:
        return row[f"{sort}_out"] + row[f"{sort}_in"]
    value = row.get(sort, 0)
    if sort in _ADDRESSES or sort == "name":
        try:
            return int(IPv4Address(value))
        except ValueError:
            return 0
    return value
