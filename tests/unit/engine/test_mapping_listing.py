# SPDX-License-Identifier: Apache-2.0
"""Listings of endpoint-independent mappings: filters, orders, pages."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any, cast

import numpy as np
import pytest

from snatsh.api.mappings import MAPPING_FIELDS, MappingListing, MappingRow
from snatsh.compile.image import PoolImage
from snatsh.datapath.mappings import MAPPING_VIEW
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.mappings import MappingService
from snatsh.model.values import Address, AddressRange, PortRange
from snatsh.shell.render import tables

ROWS = [
    # source, port, mapped, port, protocol, rule, flows, age, expires
    ("10.0.0.1", 5000, "192.0.2.1", 5000, 17, 10, 2, 60.0, 300.0),
    ("10.0.0.2", 5000, "192.0.2.1", 40000, 17, 20, 1, 5.0, 30.0),
    ("10.0.0.2", 6000, "192.0.2.9", 6000, 6, 10, 7, 9.0, 7440.0),
    ("10.0.1.1", 77, "192.0.2.1", 77, 1, 10, 1, 1.0, 60.0),
]


class Table:
    """Mappings as the datapath gives them."""

    def mappings(self) -> Any:
        rows = np.zeros(len(ROWS), dtype=MAPPING_VIEW)
        for at, (source, port, mapped, external, *rest) in enumerate(ROWS):
            rows[at] = (int(IPv4Address(source)), int(IPv4Address(mapped)), port, external, *rest)
        return rows


class Running:
    """A plan with one pool."""

    def __init__(self) -> None:
        address = Address("192.0.2.9")
        pool = PoolImage("b", (AddressRange(address, address),), PortRange(1024, 65535), False)
        self.image = self
        self.pools = (pool,)


def listing(**query: str) -> MappingListing:
    running = Running()
    service = MappingService(cast(Any, Table()), cast(Any, None), cast(Any, lambda: running))
    return asyncio.run(service.listing(query))


def ports(**query: str) -> list[int]:
    return [row.mapped_port for row in listing(**query).mappings]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {5000, 40000, 6000, 77}),
        ({"source": "10.0.0.0/24"}, {5000, 40000, 6000}),
        ({"mapped": "192.0.2.1"}, {5000, 40000, 77}),
        ({"protocol": "udp"}, {5000, 40000}),
        ({"port": "5000"}, {5000, 40000}),
        ({"port": "40000"}, {40000}),
        ({"mapped_port": "5000"}, {5000}),
        ({"rule": "10", "protocol": "tcp"}, {6000}),
        ({"pool": "b"}, {6000}),
        ({"age": "9"}, {5000, 6000}),
        ({"text": "0.2:6"}, {6000}),
        ({"text": "!udp"}, {6000, 77}),
        ({"text": "20"}, {40000}),
        ({"rule": "30"}, set()),
    ],
)
def test_filters(query: dict[str, str], expected: set[int]) -> None:
    found = listing(**query)
    assert {row.mapped_port for row in found.mappings} == expected
    assert (found.total, found.matched) == (4, len(expected))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"destination": "8.8.8.8"}, "destination: no such filter; expected one of source, mapped"),
        ({"sort": "rate"}, "sort: rate: expected one of flows, age"),
        ({"turned": "maybe"}, "turned: maybe: expected yes or no"),
        ({"offset": "-1"}, "offset: -1: expected a number"),
        ({"pool": "z"}, "pool: z: no such pool runs"),
    ],
)
def test_wrong_words_are_named(query: dict[str, str], says: str) -> None:
    with pytest.raises(QueryError, match=says):
        listing(**query)


@pytest.mark.parametrize("sort", MAPPING_FIELDS.sorts)
@pytest.mark.parametrize("turned", ["no", "yes"])
def test_orders(sort: str, turned: str) -> None:
    """Quantities and times from the greatest, addresses and rules from the lowest; pages do not overlap."""
    rows = listing(sort=sort, turned=turned).mappings
    values = [_value(row, sort) for row in rows]
    assert values == sorted(values, reverse=MAPPING_FIELDS.is_descending(sort, reversed_=turned == "yes"))
    pages = [listing(sort=sort, turned=turned, offset=str(at), limit="1").mappings for at in range(4)]
    assert [row for page in pages for row in page] == rows


def _value(row: MappingRow, sort: str) -> Any:
    if sort == "protocol":
        return {"tcp": 6, "udp": 17, "icmp": 1}[row.protocol]
    value = getattr(row, sort)
    return int(IPv4Address(value)) if sort in ("source", "mapped") else value


def test_text_of_the_shell() -> None:
    assert tables.mappings(listing(limit="2")) == (
        "Proto  Source         Mapped           Rule  Flows    Age  Expires\n"
        "udp    10.0.0.1:5000  192.0.2.1:5000     10      2  1m00s    5m00s\n"
        "udp    10.0.0.2:5000  192.0.2.1:40000    20      1     5s      30s\n"
        "4 mappings, 2 shown; use `limit` for more\n"
    )
    assert tables.mappings(MappingListing(0, 0, [])) == "No mappings\n"
    assert tables.mappings(listing(rule="30")) == "No mapping matches, of 4\n"
