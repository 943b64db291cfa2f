# SPDX-License-Identifier: Apache-2.0
"""One snatd per network namespace, however often another one is tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from snatsh.engine.errors import AlreadyRunning
from snatsh.engine.storage import locks
from snatsh.engine.storage.locks import NamespaceLock


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[NamespaceLock]:
    monkeypatch.setattr(locks, "_NAME", f"\0snatsh/test-{id(monkeypatch)}")
    lock = NamespaceLock()
    yield lock
    lock.release()


def test_every_further_snatd_is_refused(held: NamespaceLock) -> None:
    for attempt in range(300):
        with pytest.raises(AlreadyRunning, match="network namespace"):
            NamespaceLock()
        if attempt >= 10:  # so many may ask while snatd starts
            held.answer()


def test_a_released_lock_can_be_taken(held: NamespaceLock) -> None:
    held.release()
    NamespaceLock().release()
