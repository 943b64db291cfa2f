# SPDX-License-Identifier: Apache-2.0
"""Rules that a chain reaches, with the conditions of the jumps on the way."""

from __future__ import annotations

from snatsh.engine.box.netfilter import bypassed, sets_marks
from snatsh.engine.box.ruleset import ANY_CHAIN, Chain, ChainRule, Ruleset

EARLY = Chain("ip", "t", "early", "nat", "prerouting", "accept", 1)


def rule(chain: str, number: int, **more: object) -> ChainRule:
    return ChainRule("ip", "t", chain, f"handle {number}", **more)  # type: ignore[arg-type]


def reached(*rules: ChainRule) -> list[tuple[str, str, bool]]:
    found = Ruleset((EARLY,), rules).reached_from(EARLY)
    return [(one.where.removeprefix("handle "), one.interface, one.by_destination) for one in found]


def test_conditions_of_jumps_hold_for_what_follows() -> None:
    assert reached(
        rule("early", 1, interface="eth0", jumps=("a",)),
        rule("a", 2, by_destination=True, jumps=("b",)),
        rule("b", 3),
        rule("unused", 4),
    ) == [("1", "eth0", False), ("2", "eth0", True), ("3", "eth0", True)]


def test_verdict_maps_may_jump_to_any_chain_of_the_table() -> None:
    elsewhere = ChainRule("ip", "other", "c", "handle 9")
    rules = (rule("early", 1, jumps=(ANY_CHAIN,)), rule("a", 2, jumps=(ANY_CHAIN,)), rule("b", 3), elsewhere)
    assert sorted(reached(*rules)) == [("1", "", False), ("2", "", False), ("3", "", False)]


def test_circles_end() -> None:
    assert len(reached(rule("early", 1, jumps=("a",)), rule("a", 2, jumps=("a", "early")))) == 2


def test_what_is_not_read_may_set_marks() -> None:
    assert not sets_marks(Ruleset((EARLY,), (rule("early", 1),)))
    assert sets_marks(Ruleset((EARLY,), (rule("early", 1, jumps=("a",)), rule("a", 2, actions=("mark",)))))
    cut = Ruleset((EARLY,), (), is_cut=True)
    assert sets_marks(cut)
    assert [found.subject for found in bypassed(cut)] == ["unread rules"]
