# SPDX-License-Identifier: Apache-2.0
"""The audit log: one entry per line, and bounded in size."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from snatsh.api.codec import decode, encode
from snatsh.api.system import AuditEntry
from snatsh.daemon.audit import KEPT, Audit
from snatsh.daemon.audit_shares import kept
from snatsh.daemon.journal import Journal
from snatsh.daemon.roles import Peer, Role

PEER = Peer(pid=7, uid=1000, user="alice", role=Role.ADMIN)


def test_audit_entries_are_lines_of_json(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.log")
    audit.record(PEER, "POST", "/v1/commit", 200, 'commit "two\nlines"\x00 ümläut')
    audit.record(PEER, "POST", "/v1/candidate/statements", 200, "x" * 1_000_000)
    first, second = map(json.loads, (tmp_path / "audit.log").read_text().splitlines())
    assert first["detail"] == 'commit "two\nlines"\x00 ümläut'
    assert (first["user"], first["uid"], first["pid"], first["result"]) == ("alice", 1000, 7, 200)
    assert len(second["detail"]) < 10_000


def test_audit_log_rotation_is_bounded_and_keeps_the_newest_entries(tmp_path: Path) -> None:
    limit = 2000
    audit = Audit(tmp_path / "audit.log", limit)
    for number in range(200):
        audit.record(PEER, "POST", "/v1/commit", 200, str(number))
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in files] == ["audit.log", *(f"audit.log.{n}" for n in range(1, KEPT + 1))]
    assert all(path.stat().st_size <= limit for path in files)
    newest_first = [files[0], *files[1:]]
    output = [json.loads(line)["detail"] for path in reversed(newest_first) for line in path.open()]
    assert output == [str(number) for number in range(200 - len(output), 200)]
    assert len(output) > 30


def test_full_disk_is_logged_once_and_requests_continue(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit.log").symlink_to("/dev/full")
    audit = Audit(tmp_path / "audit.log")
    with caplog.at_level(logging.ERROR):
        audit.record(PEER, "POST", "/v1/commit", 200)
        audit.record(PEER, "POST", "/v1/commit", 200)
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text


@pytest.mark.parametrize(
    "made",
    [
        lambda path: path.mkdir(),
        os.mkfifo,
        lambda path: path.symlink_to(path.with_name("elsewhere")),
        lambda path: path.write_bytes(bytes(range(256)) * 100),
        lambda path: path.write_text('{"time": ' + "[" * 100_000 + "\n"),
        lambda path: path.write_text('{"pid": 1e999}\n{"pid": NaN}\n{"uid": ' + "9" * 5000 + "}\n[]\n{}\n"),
        lambda path: path.write_text('{"time": "2026", "user": "ann", "uid"'),
    ],
    ids=["folder", "pipe", "link", "binary", "deep", "numbers", "torn"],
)
def test_damaged_audit_log_is_no_obstacle(tmp_path: Path, made: Callable[[Path], object]) -> None:
    audit = Audit(tmp_path / "audit.log")
    made(audit.path)
    assert audit.last() == []
    audit.record(PEER, "POST", "/v1/commit", 200)
    audit.last()


ATTACKER = Peer(pid=8, uid=4003, user="vera", role=Role.VIEW)
OTHERS = [Peer(pid=9, uid=uid, user=f"user{uid}", role=Role.ADMIN) for uid in (0, 4001, 4002)]


def all_entries(folder: Path) -> list[AuditEntry]:
    files = [folder / f"audit.log.{number}" for number in range(KEPT, 0, -1)] + [folder / "audit.log"]
    return [
        decode(line, AuditEntry) for file in files if file.exists() for line in file.read_bytes().splitlines()
    ]


def test_a_user_who_floods_it_loses_only_own_entries(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.log", 20_000)
    for number in range(20):
        for peer in OTHERS:
            audit.record(peer, "POST", "/v1/commit", 200, str(number))
    for number in range(2_000):
        audit.command(ATTACKER, f"{number} " + "\u20ac\x01" * 8_192, False, "192.0.2.1", "pts/0")
    files = [path for path in tmp_path.iterdir() if path.name.startswith("audit.log")]
    assert sum(path.stat().st_size for path in files) <= (KEPT + 1) * 20_000
    found = all_entries(tmp_path)
    for peer in OTHERS:
        assert [entry.detail for entry in found if entry.uid == peer.uid] == [str(n) for n in range(20)]
    assert [entry.time for entry in found] == sorted(entry.time for entry in found)
    attackers = [entry for entry in found if entry.uid == ATTACKER.uid]
    assert (attackers[-1].command or "").startswith("1999 ")
    assert all(len(entry.command or "") <= 1_025 for entry in attackers)


def test_a_listing_shows_every_user(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.log")
    audit.record(OTHERS[0], "POST", "/v1/commit", 200)
    for number in range(3_000):
        audit.command(ATTACKER, f"show {number}", False, "", "")
    shown = audit.last()
    assert len(shown) == 1_000
    assert [entry.uid for entry in shown[:2]] == [0, ATTACKER.uid]
    assert shown[-1].command == "show 2999"


def test_old_entries_go_first(tmp_path: Path) -> None:
    old = AuditEntry(time="2020-01-01T00:00:00+00:00", user="a", uid=1, pid=1)
    new = AuditEntry(time="2030-01-01T00:00:00+00:00", user="b", uid=2, pid=1)
    entries = [(entry, encode(entry)) for entry in (old, old, new, new, new, new)]
    assert [entry.uid for entry, _ in kept(entries, 5, lambda _: 1, "2029")] == [1, 2, 2, 2, 2]
    assert [entry.uid for entry, _ in kept(entries, 3, lambda _: 1, "2029")] == [2, 2, 2]
    assert [entry.uid for entry, _ in kept(entries, 3, lambda _: 1, "2019")] == [1, 2]


def test_an_interrupted_rotation_is_finished(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.log", 2_000)
    for number in range(100):
        audit.record(PEER, "POST", "/v1/commit", 200, str(number))
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.0")
    for number in range(100, 130):
        audit.record(PEER, "POST", "/v1/commit", 200, str(number))
    assert not (tmp_path / "audit.log.0").exists()
    numbers = [int(entry.detail or "") for entry in all_entries(tmp_path)]
    assert numbers == list(range(numbers[0], 130))


def test_a_user_has_to_wait_who_causes_many_entries(tmp_path: Path) -> None:
    async def seconds(peer: Peer, entries: int) -> float:
        audit = Audit(tmp_path / "audit.log")
        started = time.monotonic()
        for _ in range(entries):
            await audit.pace(peer)
        return time.monotonic() - started

    assert asyncio.run(seconds(ATTACKER, 110)) > 0.9
    assert asyncio.run(seconds(OTHERS[1], 110)) < 0.5
    assert asyncio.run(seconds(OTHERS[0], 5_000)) < 0.5


@pytest.mark.parametrize("name", ["journald", "syslog"])
def test_each_entry_goes_to_the_log_of_the_system(tmp_path: Path, name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as system:
        system.bind(str(tmp_path / name))
        audit = Audit(tmp_path / "audit.log", journal=Journal(tmp_path / "journald", tmp_path / "syslog"))
        audit.command(PEER, "show version", False, "", "")
        received = system.recv(65_536).decode()
    line = (tmp_path / "audit.log").read_text().rstrip("\n")
    if name == "journald":
        assert f"MESSAGE={line}\n" in received
        assert "SYSLOG_IDENTIFIER=snatd-audit\n" in received
    else:
        assert received == f"<85>snatd-audit: {line}"


def test_that_the_system_has_no_log_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit(tmp_path / "audit.log", journal=Journal(tmp_path / "journald", tmp_path / "syslog"))
    with caplog.at_level(logging.INFO):
        audit.command(PEER, "show version", False, "", "")
        audit.command(PEER, "show version", False, "", "")
    assert len(caplog.records) == 1
    assert len(audit.last()) == 2
