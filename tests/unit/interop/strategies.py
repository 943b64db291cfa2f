# SPDX-License-Identifier: Apache-2.0
"""Random rules in the intermediate form shared by all dialects."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import strategies as st

from snatsh.interop.intermediate import ImportedAction, ImportedMatch, SourceLocation, SourceRule
from snatsh.model.values import Address, AddressRange, PortRange, Prefix

HERE = SourceLocation(1, 1)


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    """Few networks, so that many meet."""
    base = draw(st.sampled_from([0x0A000000, 0x0A010000, 0x0A010200, 0xC0A82800]))
    return IPv4Network((base, draw(st.sampled_from([8, 16, 24, 32]))), strict=False)


@st.composite
def spans(draw: st.DrawFn) -> AddressRange:
    first = draw(st.sampled_from([0x01010264, 0x01010364, 0x01010464]))
    return AddressRange(IPv4Address(first), IPv4Address(first + draw(st.integers(0, 3))))


matches = st.builds(
    ImportedMatch,
    source=st.none() | prefixes(),
    destination=st.none() | prefixes(),
    protocol=st.sampled_from([None, "tcp", "udp", "icmp"]),
    out_interface=st.sampled_from([None, "eth1", "eth2"]),
    next_hop=st.none() | st.just(Address("1.1.2.1")),
    fwmark=st.none() | st.integers(0, 2**32 - 1),
)
outcomes = st.builds(
    ImportedAction,
    addresses=st.tuples(spans()),
    ports=st.none() | st.just(PortRange(2000, 2999)),
    algorithm=st.sampled_from(["source-hash", "source-destination-hash", "random", "round-robin"]),
    redirect=st.none() | st.just(Address("1.1.2.1")),
) | st.sampled_from([ImportedAction("exempt"), ImportedAction("drop")])
rule_lists = st.lists(st.tuples(matches, outcomes), max_size=6, unique_by=lambda pair: pair[0])


def as_rules(pairs: list[tuple[ImportedMatch, ImportedAction]]) -> tuple[SourceRule, ...]:
    return tuple(SourceRule(HERE, "", match, action) for match, action in pairs)
