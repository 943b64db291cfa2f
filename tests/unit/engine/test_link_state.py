# SPDX-License-Identifier: Apache-2.0
"""The link state machine, with the clock as an argument."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snatsh.engine.links.state_machine import (
    ENOUGH,
    Health,
    Hold,
    Quality,
    TargetHealth,
    degraded,
    heard,
    quality,
    step,
    worst_needed,
)

answers = st.lists(st.booleans(), max_size=200)
counts = st.integers(1, 10)
pauses = st.integers(0, 400).map(lambda eighths: eighths / 8)  # exact in binary
histories = st.lists(st.tuples(pauses, st.booleans()), max_size=80)
holds = st.builds(Hold, st.integers(0, 20), st.integers(0, 200))  # whole seconds, as the schema has them


@given(answers, counts, counts)
def test_target_state_follows_fail_and_rise(results: list[bool], fail: int, rise: int) -> None:
    reach = TargetHealth()
    row, last = 0, None
    for result in results:
        row = row + 1 if result == last else 1
        last = result
        before = reach.up
        reach = heard(reach, result, fail, rise)
        if reach.up != before:
            assert reach.up == result
            assert row >= (rise if result else fail)
        assert row < (rise if result else fail) or reach.up == result
        assert reach.against < max(fail, rise)


@given(histories, holds)
def test_link_goes_down_at_once_and_up_after_the_hold_down(
    history: list[tuple[float, bool]], hold: Hold
) -> None:
    health, now = Health(), 0.0
    well_since: float | None = None
    for pause, well in history:
        now += pause
        was = health
        health = step(health, well, now, hold)
        if not well:
            assert not health.up
            well_since = None
            continue
        well_since = now if well_since is None else well_since
        if not was.up and health.up:
            assert now - well_since >= hold.after(was.falls)
        if not health.up:
            due = health.due(hold)
            assert due is not None
            assert due > now
            assert step(health, True, due, hold).up


@given(histories, holds)
def test_hold_down_is_bounded(history: list[tuple[float, bool]], hold: Hold) -> None:
    health, now = Health(), 0.0
    for pause, well in history:
        now += pause
        health = step(health, well, now, hold)
        assert hold.seconds * bool(health.falls) <= hold.after(health.falls) <= max(hold.limit, hold.seconds)


def test_flapping_doubles_the_hold_down() -> None:
    hold = Hold(5, 40)
    health, now, waits = Health(), 0.0, []
    for _ in range(6):
        health = step(health, False, now, hold)
        health = step(health, True, now, hold)
        due = health.due(hold)
        assert due is not None
        waits.append(due - now)
        now = due
        health = step(health, True, now, hold)
        assert health.up
        now += 1
    assert waits == [5, 10, 20, 40, 40, 40]
    health = step(health, False, now + 40, hold)
    assert hold.after(health.falls) == 5


def test_quality_covers_the_required_targets() -> None:
    assert quality([0.01] * (ENOUGH - 1)) is None
    assert quality([0.01] * 7 + [None] * 3) == Quality(1 - 7 / 10, sum([0.01] * 7) / 7)
    assert quality([None] * ENOUGH) == Quality(1, None)
    good, bad = Quality(0, 0.01), Quality(0.5, 0.2)
    assert worst_needed([bad, good], 1) == good
    assert worst_needed([bad, good], 2) == bad
    assert worst_needed([good], 2) is None
    assert worst_needed([], 0) is None


def test_degraded_state_has_hysteresis() -> None:
    assert degraded("", Quality(0.29, 0.01), 0.3, None) == ""
    output = degraded("", Quality(0.3, 0.01), 0.3, None)
    assert "30%" in output
    assert degraded(output, Quality(0.26, 0.01), 0.3, None)
    assert not degraded(output, Quality(0.2, 0.01), 0.3, None)
    assert "150 ms" in degraded("", Quality(0, 0.15), None, 0.1)
    assert not degraded("", Quality(1, None), None, 0.1)
    assert not degraded("", None, 0.1, 0.1)
