# SPDX-License-Identifier: Apache-2.0
"""Whatever the state folder holds: nothing runs that was not committed, and what is lost is said."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snatsh.engine.config.archive import RescueRecord
from snatsh.engine.config.confirm import Confirmation, ConfirmRecord, confirmed_method
from snatsh.engine.config.history import Metadata, Store
from snatsh.engine.config.schedule import DeferredCommit, Schedule
from snatsh.engine.errors import StoreError
from snatsh.engine.links.history import LinkHistory
from snatsh.engine.links.manager import LinkManager, LinkRecord
from snatsh.engine.pools.drain import DrainOrder, PoolDrain
from snatsh.engine.storage.json_record import CHECKSUM, Record
from snatsh.model.document.document import Document, validate_shape

NOW = datetime.now(UTC)
SEED = 20_261_126


def document(number: int) -> Document:
    return {"pools": {"a": {"address": [f"192.0.2.{number}"]}}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three commits; the third has to be confirmed."""
    opened = Store(tmp_path / "state")
    for number, method in ((1, "cli"), (2, "api"), (3, confirmed_method("cli", 10))):
        opened.prepare(document(number), Metadata.now("ann", method, f"commit {number}"))
        opened.publish()
    yield opened
    opened.close()


def pending(store: Store) -> Document | None:
    confirmation = Confirmation(store.folder)
    confirmation.load(store)
    return confirmation.pending.commit.document if confirmation.pending else None


def scheduled(store: Store) -> Document | None:
    schedule = Schedule(store.folder)
    schedule.load()
    return schedule.waiting.document if schedule.waiting else None


def rescue(store: Store) -> Document | None:
    record = Record(store.folder / "rescue.json", RescueRecord, "it")
    return record.read(lambda found: validate_shape(found.document))


def drained(store: Store) -> object:
    return PoolDrain(store.folder, _unused, _unused).orders or None


def _unused() -> Any:
    raise AssertionError


def orders(store: Store) -> object:
    record = Record(store.folder / "links.json", dict[str, LinkRecord], "it")
    manager = LinkManager(record, lambda _name, _before, _now: None)
    return manager.orders or None


@dataclass(frozen=True)
class Kept:
    """A record of the state folder. taken: what is made of it, None without one."""

    name: str
    kind: Any
    content: Any
    taken: Callable[[Store], object]

    def record(self, store: Store) -> Record[Any]:
        return Record(store.folder / self.name, self.kind, "what it kept")

    def write(self, store: Store) -> Path:
        record = self.record(store)
        record.write(self.content)
        return record.path


def losses(store: Store) -> list[str]:
    return [loss for kept in KEPT if (loss := kept.record(store).loss)]


KEPT = (
    Kept(
        "confirm.json", ConfirmRecord, ConfirmRecord("ann", 10, NOW + timedelta(hours=1), 3, 4, document(2)),
        pending,
    ),
    Kept(
        "scheduled.json", DeferredCommit, DeferredCommit("ann", "cli", None, NOW, "boot", document(9)),
        scheduled,
    ),
    Kept("rescue.json", RescueRecord, RescueRecord("ann", NOW, document(1)), rescue),
    Kept("links.json", dict[str, LinkRecord], {"isp-a": LinkRecord("up", NOW, 2, "drain", "ann")}, orders),
    Kept("pools.json", dict[str, DrainOrder], {"1.1.2.100": DrainOrder("ann")}, drained),
)  # fmt: skip

NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400, "9" * 5000)
VALUES = ("true", "[]", "[[]]", "{}", '""', "-1", "0", "null", "1.5", '"\\ud800"')


@pytest.fixture(params=KEPT, ids=lambda kept: kept.name)
def kept(request: pytest.FixtureRequest) -> Kept:
    return request.param  # type: ignore[no-any-return]


def assert_set_aside(kept: Kept, store: Store) -> None:
    expected = document(2) if kept.name == "confirm.json" else None  # from the history
    assert kept.taken(store) == expected
    (said,) = losses(store)
    assert said.startswith(f"{kept.name} was damaged; lost: ")


def test_records_are_read_as_written_and_without_a_checksum(kept: Kept, store: Store) -> None:
    path = kept.write(store)
    taken = kept.taken(store)
    assert taken is not None
    content = json.loads(path.read_text())
    del content[CHECKSUM]
    path.write_text(json.dumps(content))
    assert kept.taken(store) == taken
    assert losses(store) == []


def pipe_in_place(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(bytes(range(256))),
        lambda path: path.write_text('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        lambda path: path.write_text('{"a": ' * 100_000),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"version": 2}'),
        lambda path: path.write_text('{"a": 1, "a": 1}'),
        lambda path: path.write_text(path.read_text().replace("ann", "bob")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.rename(path.with_name("elsewhere")), path.symlink_to("elsewhere")),
        pipe_in_place,
        lambda path: path.chmod(0o602),
    ],
    ids=["empty", "cut", "binary", "deep list", "deep object", "list", "version", "twice", "changed",
         "folder", "link", "pipe", "writable"],
)  # fmt: skip
def test_damaged_record_is_set_aside_and_reported(
    kept: Kept, store: Store, damage: Callable[[Path], object]
) -> None:
    path = kept.write(store)
    damage(path)
    assert_set_aside(kept, store)


def fields(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a record whose fields have types: the record, and the rows in it."""
    return [content, *(row for row in content.values() if isinstance(row, dict) and "falls" in row)]


def test_arbitrary_field_values_raise_no_unexpected_error(kept: Kept, store: Store) -> None:
    path = kept.write(store)
    content = json.loads(path.read_text())
    del content[CHECKSUM]
    for holder in fields(content):
        for key, value in list(holder.items()):
            for text in (*NUMBERS, *VALUES):
                holder[key] = "@"
                path.write_text(json.dumps(content).replace('"@"', text))
                kept.taken(store)
                if text in NUMBERS:
                    assert losses(store), (key, text)
                path.with_name(path.name + ".damaged").unlink(missing_ok=True)
            holder[key] = value


@pytest.mark.parametrize("key", ["deadline", "at", "since"])
@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "tomorrow"]
)
def test_times_at_the_ends_of_the_calendar(store: Store, key: str, time: str) -> None:
    for kept in KEPT:
        path = kept.write(store)
        content = json.loads(path.read_text())
        del content[CHECKSUM]
        for holder in fields(content):
            if key in holder:
                holder[key] = time
        path.write_text(json.dumps(content))
        kept.taken(store)


def test_record_with_flipped_bits_is_rejected(kept: Kept, store: Store) -> None:
    store.prepare(document(4), Metadata.now("ann", "cli"))
    store.publish()
    path = kept.write(store)
    intact, taken = path.read_bytes(), kept.taken(store)
    for place in range(len(intact)):
        for bit in (0, 2, 5):
            changed = bytearray(intact)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            assert kept.taken(store) in (None, taken), changed
            path.with_name(path.name + ".damaged").unlink(missing_ok=True)


def test_lost_deadline_is_recovered_from_the_history(store: Store) -> None:
    confirmation = Confirmation(store.folder)
    confirmation.load(store)
    assert confirmation.pending is not None
    assert confirmation.pending.commit.document == document(2)
    assert confirmation.pending.commit.deadline == store.entry(0).metadata.time + timedelta(minutes=10)
    assert (confirmation.pending.commit.first, confirmation.pending.commit.last) == (3, 3)
    store.prepare(document(4), Metadata.now("ann", confirmed_method("cli", 20)))
    store.publish()
    (store.folder / "confirm.json").unlink()
    confirmation.load(store)
    assert confirmation.pending.commit.document == document(2), "both wait, the later one with its deadline"
    assert (confirmation.pending.commit.minutes, confirmation.pending.commit.first) == (20, 3)
    store.prepare(document(5), Metadata.now("ann", "cli"))
    store.publish()
    (store.folder / "confirm.json").unlink()
    assert pending(store) is None, "confirmed by the last one"


def test_deadline_from_the_history_counts_where_it_cannot_be_written(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    (store.folder / ".confirm.json.new").symlink_to("/dev/full")
    assert pending(store) == document(2)
    assert "confirm.json" in caplog.text


def test_damaged_commit_that_may_have_confirmed_is_not_rolled_back(store: Store) -> None:
    store.prepare(document(4), Metadata.now("ann", "cli"))
    newest = store.publish().path
    store.close()
    newest.write_bytes(b"")
    again = Store(store.folder)
    assert again.document(0) == document(3)
    assert pending(again) is None
    again.close()


def test_randomly_damaged_histories_yield_only_committed_configurations(store: Store) -> None:
    store.close()
    chance = random.Random(SEED)
    committed = [(document(number), f"commit {number}") for number in (1, 2, 3)]
    files = sorted((store.folder / "history").iterdir())
    intact = {path: path.read_bytes() for path in files}
    for _ in range(300):
        for path in chance.sample(files, chance.randint(1, 3)):
            path.write_bytes(_damaged(intact[path], chance))
        again = Store(store.folder)
        found = [
            (again.document(number), entry.metadata.comment) for number, entry in enumerate(again.entries())
        ]
        assert [one for one in found if one not in committed] == []
        assert len(found) + len(again.damaged) == 3
        again.close()
        for path, content in intact.items():
            path.write_bytes(content)


def _damaged(content: bytes, chance: random.Random) -> bytes:
    place, length = chance.randrange(len(content)), chance.randint(1, 40)
    return chance.choice(
        [
            content[:place],
            content[:place] + chance.randbytes(length) + content[place + length :],
            content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :],
            content[:place] + content[place + length :],
            content[:place] + content[place : place + length] + content[place:],
            bytes(len(content)),
        ]
    )


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize(
    "name",
    [".", "history", "history/0000000002.yaml", "confirm.json", "links.json", "audit.log"],
)
def test_state_files_writable_by_others_are_refused(store: Store, name: str, mode: int) -> None:
    path = store.folder / name
    store.close()
    if not path.exists():
        path.write_text("{}")
    path.chmod(mode | (0o111 if path.is_dir() else 0))
    with pytest.raises(
        StoreError, match=r"expected one that only its owner may write \(chmod go-w\)"
    ) as caught:
        Store(store.folder)
    assert str(path) in str(caught.value)
    path.chmod(0o700)
    Store(store.folder).close()


@pytest.mark.parametrize("name", [".", "history", "history/0000000001.yaml", "scheduled.json", "audit.log"])
def test_state_files_of_another_owner_are_refused(
    store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.folder / name
    store.close()
    if not path.exists():
        path.write_text("{}")
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:  # all is another's, as another user sees it
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match=r"belongs to uid \d+; expected uid \d+ \(chown\)"):
        Store(store.folder)


@pytest.mark.parametrize(
    "made",
    [
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("/etc/passwd"),
        os.mkfifo,
        lambda path: path.write_bytes(bytes(range(256)) * 100),
        lambda path: path.write_text('{"link": ' + "[" * 100_000 + "\n"),
        lambda path: path.write_text('{"time": 1e999}\n{"time": NaN}\n[]\n'),
    ],
    ids=["folder", "link", "pipe", "binary", "deep", "numbers"],
)
def test_damaged_link_history_does_not_prevent_a_start(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    path = tmp_path / "links.log"
    made(path)
    assert LinkHistory(path).newest() == []
