# SPDX-License-Identifier: Apache-2.0
"""Filters and sort orders of flows, against plain Python."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.api.flows import FLOW_FIELDS
from snatsh.datapath.flows import FLOW_VIEW
from snatsh.engine.errors import QueryError
from snatsh.engine.flows import query as flow_query
from snatsh.engine.flows.query import FlowFilter


def flow(**fields: Any) -> Any:
    row = np.zeros(1, dtype=FLOW_VIEW)
    row["protocol"] = 6
    for name, value in fields.items():
        row[name] = int(ipaddress.ip_address(value)) if isinstance(value, str) else value
    return row[0]


FLOWS = np.array(
    [
        flow(source="10.0.0.1", destination="8.8.8.8", mapped="192.0.2.1", destination_port=53, protocol=17),
        flow(
            source="10.0.0.2", destination="8.8.4.4", mapped="192.0.2.2", source_port=53, rule=10, bytes_in=9
        ),
        flow(
            source="10.0.1.1", destination="8.8.8.8", mapped="192.0.3.1", mapped_port=53, state=1, bytes_out=5
        ),
        flow(source="200.0.0.1", destination="9.9.9.9", mapped="192.0.3.2", protocol=1, packets_out=2**63),
    ],
    dtype=FLOW_VIEW,
)


def select(**query: str) -> list[int]:
    chosen = FlowFilter.parse(query).mask(FLOWS)
    return [int(index) for index in np.flatnonzero(chosen)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"source": "10.0.0.0/24"}, [0, 1]),
        ({"source": "10.0.0.2"}, [1]),
        ({"source": "0.0.0.0/0"}, [0, 1, 2, 3]),
        ({"source": "128.0.0.0/1"}, [3]),
        ({"destination": "8.8.8.8", "mapped": "192.0.3.0/24"}, [2]),
        ({"port": "53"}, [0, 1, 2]),
        ({"protocol": "icmp"}, [3]),
        ({"rule": "10"}, [1]),
        ({"state": "established"}, [2]),
    ],
)
def test_flow_filters(query: dict[str, str], expected: list[int]) -> None:
    assert select(**query) == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"source": "10.0.0.1/24"}, "10.0.0.0/24"),
        ({"source": "x"}, "expected a prefix"),
        ({"port": "65536"}, "0 to 65535"),
        ({"port": "-1"}, "0 to 65535"),
        ({"port": "٣"}, "0 to 65535"),
        ({"protocol": "gre"}, "tcp, udp, icmp"),
        ({"state": "new"}, "unreplied"),
        ({"rule": "1" * 5000}, "1000000"),
        ({"colour": "red"}, "no such filter"),
    ],
)
def test_invalid_filters_name_the_expected_values(query: dict[str, str], says: str) -> None:
    with pytest.raises(QueryError, match=says):
        FlowFilter.parse(query)


def test_invalid_limit_and_sort_are_refused() -> None:
    for text in ("-1", "x", "", "99999999999"):
        with pytest.raises(QueryError):
            flow_query.parse_limit(text)
    with pytest.raises(QueryError, match="bytes"):
        flow_query.parse_sort("colour")


def test_descending_sort_of_unsigned_64_bit_counters() -> None:
    assert flow_query.first(FLOWS, 1, "packets")[0] == FLOWS[3]
    assert [int(row["bytes_in"] + row["bytes_out"]) for row in flow_query.first(FLOWS, 3, "bytes")] == [
        9,
        5,
        0,
    ]


@given(
    values=st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1e6)), max_size=60),
    limit=st.integers(0, 70),
    sort=st.sampled_from(FLOW_FIELDS.sorts),
)
def test_sort_order_equals_that_of_sorted(values: list[tuple[int, float]], limit: int, sort: str) -> None:
    flows = np.zeros(len(values), dtype=FLOW_VIEW)
    for at, (number, seconds) in enumerate(values):
        flows[at]["source"] = flows[at]["destination"] = flows[at]["mapped"] = flows[at]["rule"] = number
        flows[at]["bytes_out"] = flows[at]["packets_in"] = number
        flows[at]["age"] = flows[at]["idle"] = flows[at]["expires"] = seconds
    keys = {"bytes": "bytes_out", "packets": "packets_in"}

    def key(row: Any) -> Any:
        return 8 * row["bytes_out"] / max(row["age"], 1) if sort == "rate" else row[keys.get(sort, sort)]

    # greatest first, addresses and rules lowest first
    descending = sort in ("bytes", "packets", "rate", "age", "idle", "expires")
    expected = sorted(map(key, flows), reverse=descending)[:limit]
    assert list(map(key, flow_query.first(flows, limit, sort))) == expected


def test_top_talkers_sum_the_flows_of_each_source() -> None:
    flows = np.array([flow(source=s, bytes_out=b, packets_in=1) for s, b in ((1, 5), (2, 7), (1, 4))])
    rows = flow_query.talkers(flows, 5)
    assert [(row.source, row.flows, row.packets, row.bytes, row.rate) for row in rows] == [
        ("0.0.0.1", 2, 2, 9, 72),
        ("0.0.0.2", 1, 1, 7, 56),
    ]
    assert flow_query.talkers(flows, 1) == rows[:1]
    assert flow_query.talkers(flows[:0], 5) == []


def test_flow_rows_show_addresses_protocol_and_state() -> None:
    rows = list(flow_query.rows(FLOWS[:1], {0: "eth1"}))
    assert rows[0].source == "10.0.0.1"
    assert rows[0].destination_port == 53
    assert (rows[0].protocol, rows[0].state, rows[0].out_interface) == ("udp", "unreplied", "eth1")
