# SPDX-License-Identifier: Apache-2.0
"""What live consoles see of a table: held against the plain way of doing it."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snatsh.api.flows import FLOW_FIELDS, GROUP_FIELDS, Flow, FlowGroup
from snatsh.datapath.flows import FLOW_VIEW
from snatsh.engine.errors import QueryError
from snatsh.engine.flows import groups, listing
from snatsh.engine.flows.listing import ListingQuery
from snatsh.engine.flows.query import FlowFilter, rows, sort_keys
from snatsh.engine.flows.snapshot import Picked, Snapshots, take
from snatsh.engine.flows.text_match import matching
from snatsh.engine.pools import watch

INTERFACES = {3: "eth1", 4: "wan7"}


def table(count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    flows = np.zeros(count, dtype=FLOW_VIEW)
    for name, low, high in (
        ("source", int(IPv4Address("10.40.0.0")), int(IPv4Address("10.40.3.255"))),
        ("destination", 0, 2**32 - 1),
        ("mapped", int(IPv4Address("1.1.2.100")), int(IPv4Address("1.1.2.110"))),
        ("source_port", 0, 65_535), ("destination_port", 0, 65_535), ("mapped_port", 1024, 65_535),
        ("state", 0, 3), ("rule", 1, 40), ("out_interface", 3, 4), ("bytes_out", 0, 10**9),
        ("bytes_in", 0, 10**9), ("packets_out", 0, 10**6), ("packets_in", 0, 10**6),
    ):  # fmt: skip
        flows[name] = random.integers(low, high, count, endpoint=True)
    flows["protocol"] = random.choice([6, 17, 1], count)
    flows["age"] = random.random(count) * 1000 + 1
    return flows


def written(row: Flow) -> list[str]:
    """All that a text may be found in."""
    ends = [
        f"{row.source}:{row.source_port}",
        f"{row.mapped}:{row.mapped_port}",
        f"{row.destination}:{row.destination_port}",
    ]
    return [*ends, row.protocol, row.state, row.out_interface, str(row.rule)]


FLOWS = table(400)
WRITTEN = [written(row) for row in rows(FLOWS, INTERFACES)]


@st.composite
def pieces(draw: st.DrawFn) -> str:
    """Any part of anything that is written, and a few things that are not."""
    text = draw(st.sampled_from(draw(st.sampled_from(WRITTEN))))
    start = draw(st.integers(0, len(text) - 1))
    return draw(
        st.sampled_from([text[start : draw(st.integers(start + 1, len(text)))], "9.9.9.9.9", "1..2", "x"])
    )


@settings(max_examples=300, deadline=None)
@given(pieces())
def test_text_filter_matches_the_displayed_columns(text: str) -> None:
    expected = [any(text in one for one in line) for line in WRITTEN]
    assert matching(Picked(FLOWS), text, INTERFACES).tolist() == expected


@pytest.mark.parametrize("sort", FLOW_FIELDS.sorts)
@pytest.mark.parametrize("turned", [False, True])
def test_pages_partition_the_sorted_table(sort: str, turned: bool) -> None:
    snapshot = take(FLOWS, None, 0.0)
    keys = snapshot.rates if sort == "rate" else sort_keys(Picked(FLOWS), sort)
    seen: list[int] = []
    for offset in range(0, 400, 37):
        wish = ListingQuery(FlowFilter(), "", sort, turned, offset, 37)
        seen += listing.page(snapshot, wish, None).tolist()
    assert sorted(seen) == list(range(400))
    descending = FLOW_FIELDS.is_descending(sort, reversed_=turned)
    ordered = sorted(keys.tolist(), reverse=descending)
    assert keys[seen].tolist() == ordered


def test_pages_of_a_filtered_table() -> None:
    snapshot = take(FLOWS, None, 0.0)
    wish = ListingQuery(
        FlowFilter.parse({"source": "10.40.1.0/24", "protocol": "udp"}), "!eth1", "bytes", limit=1000
    )
    shown = listing.page(snapshot, wish, listing.chosen(snapshot, wish, INTERFACES))
    expected = [
        at
        for at, row in enumerate(rows(FLOWS, INTERFACES))
        if row.source.startswith("10.40.1.") and row.protocol == "udp" and row.out_interface != "eth1"
    ]
    assert sorted(shown.tolist()) == expected
    assert expected


@pytest.mark.parametrize("by", groups.GROUPS)
def test_group_sums_equal_those_of_their_flows(by: str) -> None:
    snapshot = take(FLOWS, None, 0.0)
    wish = ListingQuery(FlowFilter(), sort="bytes", limit=1000)
    sums = groups.sums(snapshot, wish, by, INTERFACES)
    found = groups.screenful(sums, wish, groups.group_name(by, INTERFACES), FlowGroup, GROUP_FIELDS)
    assert len(sums.values) == len(found) == len(np.unique(FLOWS[groups.GROUPS[by]]))
    assert sum(row.flows for row in found) == 400
    assert sum(row.bytes for row in found) == int((FLOWS["bytes_out"] + FLOWS["bytes_in"]).sum())
    assert [row.bytes for row in found] == sorted((row.bytes for row in found), reverse=True)


@pytest.mark.parametrize("wish", [{"limit": -1}, {"limit": 1001}, {"offset": -1}])
def test_invalid_page_bounds_are_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="expected"):
        ListingQuery(FlowFilter(), **wish)


def test_rates_are_the_growth_between_two_snapshots() -> None:
    before = take(FLOWS, None, 100.0)
    grown = FLOWS.copy()[::-1]
    grown["bytes_in"][:200] += 5000
    after = take(grown, before, 102.0)
    assert after.rates[:200] == pytest.approx(8 * 5000 / 2)
    assert after.rates[200:] == pytest.approx(0)


def test_one_snapshot_serves_all_viewers() -> None:
    readings: list[int] = []

    def read() -> Any:
        readings.append(1)
        return FLOWS

    async def look() -> None:
        snapshots = Snapshots(read, asyncio.Lock())
        assert not readings
        await asyncio.gather(*(snapshots.latest() for _ in range(5)))
        await snapshots.latest()
        assert len(readings) == 1
        snapshots.close()

    asyncio.run(look())


def test_pool_exhaustion_forecast() -> None:
    assert watch.forecast([(float(at), 100 + 10 * at) for at in range(0, 60, 10)], 1600) == 100
    assert watch.forecast([(float(at), 100) for at in range(0, 60, 10)], 1600) is None
    assert watch.forecast([(0.0, 1), (10.0, 5)], 1600) is None


def test_group_sums_are_cached_per_snapshot() -> None:
    snapshot = take(FLOWS, None, 0.0)
    wishes = [
        ListingQuery(FlowFilter(), sort="bytes", limit=10),
        ListingQuery(FlowFilter(), sort="rate", offset=5),
    ]
    first, second = (groups.sums(snapshot, wish, "rule", INTERFACES) for wish in wishes)
    assert first is second
    for number in range(10):
        groups.sums(snapshot, ListingQuery(FlowFilter(), text=str(number)), "rule", INTERFACES)
    assert len(snapshot.known) <= 6
