# SPDX-License-Identifier: Apache-2.0
"""Link selection for new flows: failover, backup and link groups."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.compile.link_selection import NOWHERE, LinkSelection, links_by_route, select_links
from snatsh.compile.weighted_buckets import LINK_BUCKETS, fill
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.schema.profile import Profile

NUMBERS = {1: "a", 2: "b", 3: "c"}


def interface(number: int) -> InterfaceFacts:
    return InterfaceFacts(number, bytes(6), 1500, True, (IPv4Interface(f"1.1.{number + 1}.2/24"),))


FACTS = Facts({f"eth{number}": interface(number) for number in NUMBERS})
LINKS = {
    name: {"interface": f"eth{number}", "next-hop": f"1.1.{number + 1}.1", "pool": name}
    for number, name in NUMBERS.items()
}
BASE = {
    "interfaces": {f"eth{number}": {"role": "outside"} for number in NUMBERS},
    "pools": {name: {"address": [f"1.1.{number + 1}.100"]} for number, name in NUMBERS.items()},
}

names = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)
weights = names.flatmap(lambda found: st.fixed_dictionaries({name: st.integers(1, 100) for name in found}))


def select(rule: dict[str, Any], down: str = "", links: Any = None, **more: Any) -> LinkSelection:
    profile = Profile.model_validate({**BASE, "links": links or LINKS, "rules": {"1": rule}, **more})
    return select_links(profile, FACTS, frozenset(down))[1]


def text(found: LinkSelection) -> tuple[str, ...]:
    return tuple(f"{one.link}/{one.pool}/{one.redirect}" for one in found.choices)


@pytest.mark.parametrize(
    ("rule", "down", "expected", "instead_of"),
    [
        ({"out-interface": "eth1", "pool": "a"}, "", "a/a/None", ()),
        ({"out-interface": "eth1", "pool": "a"}, "b", "a/a/None", ()),
        ({"out-interface": "eth1", "pool": "a"}, "a", "b/b/1.1.3.1", ("a",)),
        ({"next-hop": "1.1.2.1", "pool": "a"}, "a", "b/b/1.1.3.1", ("a",)),
        ({"pool": "a"}, "a", "b/b/1.1.3.1", ("a",)),  # by the home of its pool
        ({"redirect": "1.1.2.1", "pool": "c"}, "a", "b/b/1.1.3.1", ("a",)),
        ({"pool": "a"}, "ab", "c/c/1.1.4.1", ("a",)),  # the backup's backup
        ({"pool": "a"}, "abc", "a/a/None", ()),  # nothing works: as written
        ({"pool": "c"}, "c", "c/c/None", ()),  # has no backup
        ({"pool": "a", "failover": {"a": {"redirect": "1.1.4.1", "pool": "c"}}}, "a", "c/c/1.1.4.1", ("a",)),
        ({"pool": "a", "failover": {"a": {"redirect": "1.1.4.1", "pool": "c"}}}, "ac", "a/a/None", ()),
        ({"pool": "a", "failover": {"b": {"pool": "c"}}}, "b", "a/c/None", ("b",)),
    ],
)
def test_rule_with_a_single_link(
    rule: dict[str, Any], down: str, expected: str, instead_of: tuple[str, ...]
) -> None:
    links = {**LINKS, "a": {**LINKS["a"], "backup": "b"}, "b": {**LINKS["b"], "backup": "c"}}
    found = select(rule, down, links)
    assert (text(found), found.instead_of, found.buckets) == ((expected,), instead_of, ())


SHARES = {"a": {"weight": 3}, "b": {"weight": 1}, "c": {"use": "last-resort"}}
GROUPS: dict[str, Any] = {"link-groups": {"wan": {"link": SHARES}}}


def test_link_group_shares_by_weight() -> None:
    found = select({"group": "wan"}, **GROUPS)
    assert text(found) == ("a/a/1.1.2.1", "b/b/1.1.3.1")
    assert Counter(found.buckets) == {0: 96, 1: 32}
    found = select({"group": "wan"}, "a", **GROUPS)
    assert (text(found), found.instead_of, found.buckets) == (("b/b/1.1.3.1",), ("a",), ())


def test_last_resort_is_used_only_when_no_other_link_is_up() -> None:
    found = select({"group": "wan"}, "ab", **GROUPS)
    assert (text(found), found.instead_of) == (("c/c/1.1.4.1",), ("a", "b"))
    found = select({"group": "wan"}, "abc", **GROUPS)
    assert text(found) == ("a/a/1.1.2.1", "b/b/1.1.3.1")  # nothing works: as written


@given(weights, st.data())
def test_subscribers_of_a_link_that_is_up_keep_it(found: dict[str, int], data: st.DataObject) -> None:
    up = frozenset(data.draw(st.lists(st.sampled_from(sorted(found)), min_size=1, unique=True)))
    before, after = fill(found, frozenset(found)), fill(found, up)
    assert len(after) == LINK_BUCKETS
    assert set(after) <= up
    assert all(new == old for old, new in zip(before, after, strict=True) if old in up)
    total = sum(found.values())
    counts = Counter(before)
    # above one bucket only where many small weights stand beside equal large ones, as 1 1 1 95 95
    assert all(abs(counts[name] - LINK_BUCKETS * weight / total) < 2 for name, weight in found.items())


def test_point_to_point_link_uses_the_peer_as_next_hop() -> None:
    line = {"interface": "ppp0", "pool": "b"}
    links = {"a": {**LINKS["a"], "backup": "dsl"}, "dsl": line}
    profile = Profile.model_validate(
        {**BASE, "links": links, "rules": {"1": {"out-interface": "eth1", "pool": "a"}}}
    )
    peer = IPv4Address("10.64.0.1")
    ppp = InterfaceFacts(9, b"", 1492, True, (IPv4Interface("10.64.0.2/32"),), framing="none", peers=(peer,))
    there = Facts({**FACTS.interfaces, "ppp0": ppp})
    assert text(select_links(profile, there, frozenset({"a"}))[1]) == ("dsl/b/10.64.0.1",)
    # While it is away nothing is sent anywhere else in its place.
    assert text(select_links(profile, FACTS, frozenset({"a"}))[1]) == (f"dsl/b/{NOWHERE}",)


def test_links_reached_by_routing_are_listed() -> None:
    def needed(*rules: dict[str, Any]) -> frozenset[str]:
        numbered = {str(number): rule for number, rule in enumerate(rules, 1)}
        profile = Profile.model_validate({**BASE, "links": LINKS, **GROUPS, "rules": numbered})
        return links_by_route(profile, FACTS)

    assert needed({"out-interface": "eth1", "pool": "a"}, {"next-hop": "1.1.3.1", "pool": "c"}) == {"a", "b"}
    assert needed({"pool": "c"}) == {"c"}
    assert needed({"redirect": "1.1.2.1", "pool": "a"}, {"group": "wan"}, {"action": "drop"}) == set()
