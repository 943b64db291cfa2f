# SPDX-License-Identifier: Apache-2.0
"""Whose commits a pending rollback covers: kept in the record, and found again in the history."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.engine.config.confirm import Confirmation, confirmed_method
from snatsh.engine.config.history import Metadata, Store
from snatsh.model.document.document import Document


def document(number: int) -> Document:
    return {"system": {"host-name": f"gw{number}"}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prepare(document(0), Metadata.now("snatd", "profile"))
    store.publish()
    return store


def commit(store: Store, confirmation: Confirmation, user: str, minutes: int = 5) -> None:
    """A commit that has to be confirmed."""
    serial = store.last_serial + 1
    metadata = Metadata.now(user, confirmed_method("cli", minutes))

    def publish() -> None:
        store.prepare(document(serial), metadata)
        store.publish()

    confirmation.guard(minutes, metadata, serial, document(0), publish)


@pytest.mark.parametrize(
    ("users", "by", "own"),
    [
        (["ann"], "ann", {"ann"}),
        (["ann", "ann"], "ann", {"ann"}),
        (["ann", "bob"], "ann and bob", set()),
        (["ann", "bob", "ann"], "bob and ann", set()),
        (["ann", "bob", "cid", "bob"], "ann and cid and bob", set()),
    ],
)
@pytest.mark.parametrize("record", ["kept", "lost", "never read"])
def test_users_of_a_pending_commit(
    store: Store, users: list[str], by: str, own: set[str], record: str
) -> None:
    confirmation = Confirmation(store.folder)
    for user in users:
        commit(store, confirmation, user)
    if record != "never read":
        if record == "lost":
            (store.folder / "confirm.json").unlink()
        confirmation = Confirmation(store.folder)
        confirmation.load(store)
    pending = confirmation.pending
    assert pending is not None
    assert pending.by == by
    assert {user for user in users if pending.is_of(user)} == own
    assert not pending.is_of("eve")
    assert pending.commit.document == document(0)
