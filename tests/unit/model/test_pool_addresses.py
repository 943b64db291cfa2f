# SPDX-License-Identifier: Apache-2.0
"""The addresses of a pool, compared with sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snatsh.model.pool_addresses import Spans, runs
from snatsh.model.schema.profile import Pool
from snatsh.model.values import Address, AddressRange

BASE = int(Address("10.0.0.0"))


@st.composite
def ranges(draw: st.DrawFn) -> AddressRange:
    first = draw(st.integers(0, 40))
    last = draw(st.integers(first, min(first + 12, 40)))
    return AddressRange(Address(BASE + first), Address(BASE + last))


def addresses(run: AddressRange) -> range:
    return range(int(run.first), int(run.last) + 1)


@given(st.lists(ranges()), st.lists(ranges()))
def test_runs_hold_each_address_once_in_configured_order(
    given_ranges: list[AddressRange], excluded: list[AddressRange]
) -> None:
    left_out = {address for run in excluded for address in addresses(run)}
    expected = dict.fromkeys(a for run in given_ranges for a in addresses(run) if a not in left_out)
    found = runs(Pool(address=tuple(given_ranges), exclude=tuple(excluded)))
    assert [address for run in found for address in addresses(run)] == list(expected)


@given(st.lists(ranges()), ranges())
def test_spans_contain_their_addresses(given_ranges: list[AddressRange], probe: AddressRange) -> None:
    spans = Spans(given_ranges)
    held = {address for run in given_ranges for address in addresses(run)}
    assert spans.meets(probe) == any(address in held for address in addresses(probe))
    if spans.holds(probe):
        assert all(address in held for address in addresses(probe))
    for run in given_ranges:
        assert spans.holds(run)
