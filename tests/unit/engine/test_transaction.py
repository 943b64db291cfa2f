# SPDX-License-Identifier: Apache-2.0
"""A failed step is undone completely."""

from __future__ import annotations

import pytest

from snatsh.engine.config.transaction import Transaction
from snatsh.engine.errors import CommitError


def fail() -> None:
    raise OSError(28, "No space left on device")


def test_failure_undoes_completed_steps_in_reverse_order() -> None:
    done: list[str] = []
    transaction = Transaction()
    transaction.step("one", lambda: done.append("one"), lambda: done.remove("one"))
    transaction.step("two", lambda: done.append("two"), lambda: done.remove("two"))
    order: list[str] = []
    transaction.on_failure("three", lambda: order.extend(done))
    with pytest.raises(CommitError, match=r"four failed: .*No space left") as caught:
        transaction.step("four", fail)
    assert order == ["one", "two"]
    assert done == []
    assert caught.value.step == "four"
    assert caught.value.undo_failures == ()


def test_steps_are_reported_with_their_times() -> None:
    transaction = Transaction()
    with transaction.timed("zero"):
        pass
    transaction.step("one", lambda: None)
    assert [step.doing for step in transaction.steps] == ["zero", "one"]
    assert all(step.milliseconds >= 0 for step in transaction.steps)


def test_partially_completed_steps_are_undone() -> None:
    undone: list[str] = []
    with pytest.raises(CommitError):
        Transaction().step("one", fail, lambda: undone.append("one"))
    assert undone == ["one"]


def test_failed_undo_is_reported_and_the_others_continue() -> None:
    undone: list[str] = []
    transaction = Transaction()
    transaction.step("one", lambda: None, lambda: undone.append("one"))
    transaction.step("two", lambda: None, fail)
    with pytest.raises(CommitError, match="undoing it also failed: two"):
        transaction.step("three", fail)
    assert undone == ["one"]
