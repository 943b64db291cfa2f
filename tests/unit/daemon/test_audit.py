# SPDX-License-Identifier: Apache-2.0
"""The audit log: one entry per line, and bounded in size."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from snatsh.daemon.audit import KEPT, Audit
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
