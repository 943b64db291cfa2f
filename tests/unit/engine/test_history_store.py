# SPDX-License-Identifier: Apache-2.0
"""The commit history on disk: numbering, atomicity, damage, locking."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snatsh.engine.config.history import KEPT, Metadata, Store
from snatsh.engine.errors import AlreadyRunning, NoSuchEntry, StoreError
from snatsh.model.document.document import Document


def document(number: int) -> Document:
    return {"pools": {"a": {"address": [f"192.0.2.{number}"]}}}


def commit(store: Store, number: int, comment: str | None = None) -> None:
    store.prepare(document(number), Metadata.now("alice", "cli", comment))
    store.publish()
    store.trim()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    opened = Store(folder)
    yield opened
    opened.close()


def files(folder: Path) -> list[Path]:
    return sorted((folder / "history").glob("*.yaml"))


def test_commit_0_is_the_newest_also_after_a_restart(store: Store, folder: Path) -> None:
    for number in (1, 2, 3):
        commit(store, number, f'the {number}. one: "quoted" # and ümläut')
    store.close()
    again = Store(folder)
    assert [again.document(number) for number in range(3)] == [document(3), document(2), document(1)]
    newest = again.entry(0).metadata
    assert (newest.user, newest.method, newest.comment) == (
        "alice",
        "cli",
        'the 3. one: "quoted" # and ümläut',
    )
    assert newest.time.utcoffset().total_seconds() == 0  # type: ignore[union-attr]
    again.close()


def test_empty_configurations_are_stored(store: Store, folder: Path) -> None:
    store.prepare({}, Metadata.now("alice", "cli"))
    store.publish()
    store.close()
    again = Store(folder)
    assert again.document(0) == {}
    again.close()


def test_number_of_stored_commits_is_bounded(store: Store, folder: Path) -> None:
    for number in range(1, KEPT + 4):
        commit(store, number)
    assert len(store.entries()) == len(files(folder)) == KEPT
    assert store.document(0) == document(KEPT + 3)
    assert store.document(KEPT - 1) == document(4)
    with pytest.raises(NoSuchEntry, match=f"0 to {KEPT - 1}"):
        store.document(KEPT)


def test_withdrawing_a_commit_restores_the_previous_one(store: Store, folder: Path) -> None:
    commit(store, 1)
    before = {path: path.read_bytes() for path in files(folder)}
    store.prepare(document(2), Metadata.now("alice", "cli"))
    store.withdraw(store.publish())
    assert {path: path.read_bytes() for path in files(folder)} == before
    assert store.document(0) == document(1)


def test_prepared_but_unpublished_commits_are_not_listed(store: Store, folder: Path) -> None:
    commit(store, 1)
    store.prepare(document(2), Metadata.now("alice", "cli"))
    store.close()  # as a crash at this moment would leave it
    again = Store(folder)
    assert again.document(0) == document(1)
    assert [path.name for path in (folder / "history").iterdir()] == [files(folder)[0].name]
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"192.0.2", b"192.0.3")),
        lambda path: path.write_bytes(os.urandom(4096)),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(path.read_bytes().replace(b"method", b"metho")),
    ],
    ids=["empty", "cut", "changed", "noise", "folder", "header"],
)
def test_damaged_entries_are_reported_and_skipped(store: Store, folder: Path, damage) -> None:  # type: ignore[no-untyped-def]
    for number in (1, 2, 3):
        commit(store, number)
    store.close()
    damage(files(folder)[1])
    again = Store(folder)
    assert [again.document(number) for number in range(2)] == [document(3), document(1)]
    assert [lost.path for lost in again.damaged] == [files(folder)[1]]
    assert again.damaged[0].reason
    commit(again, 4)  # and nothing is written over it
    assert again.document(0) == document(4)
    assert len(files(folder)) == 4
    again.close()


def test_entry_damaged_at_run_time_is_named_in_the_error(store: Store, folder: Path) -> None:
    commit(store, 1)
    files(folder)[0].write_bytes(b"nothing")
    with pytest.raises(StoreError, match=str(files(folder)[0])):
        store.document(0)


def test_history_is_not_readable_by_other_users(store: Store, folder: Path) -> None:
    commit(store, 1)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "history", *files(folder))}
    assert set(modes.values()) == {0o700, 0o600}
    assert modes[folder] == 0o700


def test_a_locked_store_names_the_process_that_holds_it(store: Store, folder: Path) -> None:
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}") as caught:
        Store(folder)
    assert caught.value.pid == os.getpid()


def test_killed_processes_leave_no_lock(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from snatsh.engine.config.history import Store\n"
        "held = Store(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=f"pid {holder.pid}"):
            Store(folder)
    finally:
        holder.kill()
        holder.wait()
    Store(folder).close()


def test_state_folder_path_occupied_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=str(tmp_path / "file" / "state")):
        Store(tmp_path / "file" / "state")


def test_full_disk_fails_before_publishing(store: Store, folder: Path) -> None:
    commit(store, 1)
    (folder / "history" / ".pending").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left"):
        store.prepare(document(2), Metadata.now("alice", "cli"))
    assert store.document(0) == document(1)
    commit(store, 3)
    assert store.document(0) == document(3)


def test_unused_state_folder_is_removed_only_if_it_was_created(tmp_path: Path) -> None:
    Store(tmp_path / "new").close()
    assert not (tmp_path / "new").exists()
    (tmp_path / "given").mkdir()
    Store(tmp_path / "given").close()
    assert (tmp_path / "given").is_dir()


def test_entry_of_0_2_0_is_read(store: Store, folder: Path) -> None:
    """Its checksum covers the document alone."""
    commit(store, 1, "of old")
    store.close()
    head, _, body = files(folder)[0].read_bytes().partition(b"---\n")
    old = hashlib.sha256(body).hexdigest().encode()
    files(folder)[0].write_bytes(re.sub(rb"[0-9a-f]{64}", old, head) + b"---\n" + body)
    again = Store(folder)
    assert again.document(0) == document(1)
    assert again.entry(0).metadata.comment == "of old"
    again.close()


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"alice", b"admin"), (b"of old", b"of new"), (b'"cli"', b'"api"')],
)
def test_changed_header_does_not_match_the_checksum(
    store: Store, folder: Path, old: bytes, new: bytes
) -> None:
    commit(store, 1, "of old")
    store.close()
    files(folder)[0].write_bytes(files(folder)[0].read_bytes().replace(old, new))
    again = Store(folder)
    assert [damage.reason for damage in again.damaged] == ["does not match its checksum"]
    again.close()
