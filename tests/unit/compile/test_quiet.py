# SPDX-License-Identifier: Apache-2.0
"""Addresses that are not answered for, and those that no pool may use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snatsh.compile.compiler import announced_by, compile_profile
from snatsh.compile.image import Image
from snatsh.compile.quiet import silenced, without_addresses
from snatsh.model.document.document import to_profile
from snatsh.model.pool_addresses import runs
from snatsh.model.values import Address
from tests.unit.model.strategies import FACTS

PROFILE = to_profile(
    {
        "interfaces": {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}, "eth2": {"role": "outside"}},
        "pools": {
            "a": {"address": ["1.1.2.64/28", "1.1.3.64-1.1.3.70"]},
            "b": {"address": ["203.0.113.0/29"]},
            "c": {"address": ["1.1.2.100-1.1.2.103"], "announce": "always"},
        },
    }
)
IMAGE = compile_profile(PROFILE, FACTS)


def answered(image: Image) -> set[tuple[int, int]]:
    return {
        (entry.announce, int(address))
        for entry in image.pool_addresses
        for address in entry.prefix
        if entry.announce
    }


def held(image: Image) -> list[int]:
    return sorted(int(address) for entry in image.pool_addresses for address in entry.prefix)


EVERY = answered(IMAGE)


@given(st.sets(st.sampled_from(sorted(EVERY)) | st.tuples(st.integers(1, 5), st.integers(0, 1 << 32 - 1))))
def test_silenced_addresses_are_not_answered_for_and_stay_in_their_pools(quiet: set[tuple[int, int]]) -> None:
    image = silenced(IMAGE, quiet)
    assert answered(image) == EVERY - quiet
    assert held(image) == held(IMAGE)
    assert (image.pools, image.announced) == (IMAGE.pools, IMAGE.announced)


def test_nothing_to_silence_changes_nothing() -> None:
    assert silenced(IMAGE, frozenset()) is IMAGE


@given(st.sets(st.sampled_from(held(IMAGE))))
def test_taken_addresses_leave_their_pools_and_are_still_wanted(taken: set[int]) -> None:
    without = without_addresses(PROFILE, frozenset(map(Address, taken)))
    assert held(compile_profile(without, FACTS)) == sorted(set(held(IMAGE)) - taken)
    assert announced_by(PROFILE, FACTS) == IMAGE.announced
    for name, pool in PROFILE.pools.items():
        if not any(Address(number) in run for number in taken for run in runs(pool)):
            assert without.pools[name] is pool


def test_announced_without_a_question_as_configured() -> None:
    unchecked = {str(given.run) for given in IMAGE.announced if given.unchecked}
    assert unchecked == {"1.1.2.100/30"}
