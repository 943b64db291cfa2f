# SPDX-License-Identifier: Apache-2.0
"""Recordings, key bindings and exports as files, valid and invalid."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from snatsh.api.system import FileContent
from snatsh.client import Refused, Rejected
from snatsh.tui import export, keymap
from snatsh.tui.app import actions
from snatsh.tui.main import main
from snatsh.tui.recording import RecordingError, ReplayClient
from tests.unit.tui.replay import RECORDING


def test_replay_follows_its_clock() -> None:
    now = [0.0]
    client = ReplayClient(RECORDING, lambda: now[0])
    first = client.live_overview().flows
    now[0] = client.length
    assert client.live_overview().flows > first
    assert client.version().role == "view"
    with pytest.raises(Refused, match="recording"):
        client.commit()
    with pytest.raises(Rejected, match="not in the recording"):
        client.get("/v1/files/x", FileContent)


def test_truncated_recording_is_replayed_up_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(RECORDING.read_bytes()[:-5000])
    assert ReplayClient(path, lambda: 1e9).live_overview().host_name == "gw1"


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"nonsense\n", b'{"recording": 1}\n{"at": 1}\n', b"\xff\xfe\x00"]
)
def test_invalid_recordings_are_refused(tmp_path: Path, content: bytes) -> None:
    for name, data in (("plain", content), ("packed.gz", gzip.compress(content)), ("bad.gz", content)):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(RecordingError, match=name):
            ReplayClient(path)


def test_keys_file_binds_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("screen.flows: f2\ntable.reverse: [R, ctrl+r]\nscreen.pools: 9\n")
    expected = {"screen.flows": "f2", "table.reverse": "R,ctrl+r", "screen.pools": "9"}
    assert keymap.load(path, actions()) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("screen.moon: f2", "screen.moon: no such action"), ("screen.flows: f99x", "no such key"),
        ("screen.flows: []", "no such key"), ("- a", "expected lines"), ("a: [", "keys.yaml"),
        ("screen.flows: {}", "no such key"), ("screen.flows:", "no such key"),
    ],
)  # fmt: skip
def test_invalid_keys_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(keymap.KeymapError, match=reason):
        keymap.load(path, actions())


def test_csv_holds_every_row_and_escapes_formulas() -> None:
    rows: list[dict[str, Any]] = [{"name": "=cmd()", "flows": 1}, {"name": 'a "b", c', "more": [1, 2]}]
    found = list(csv.DictReader(io.StringIO(export.csv_text(rows))))
    assert found[0] == {"name": "'=cmd()", "flows": "1", "more": ""}
    assert found[1]["name"] == 'a "b", c'
    assert json.loads(found[1]["more"]) == [1, 2]


@pytest.mark.parametrize(
    "options",
    [
        ["--json"], ["--interval", "0"], ["--record", "a", "--replay", "b"], ["--theme", "pink"],
        ["--nonsense"],
    ],
)  # fmt: skip
def test_invalid_options_are_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--replay", "/nowhere"], "/nowhere: No such file"), (["--screen", "moon"], "moon: no such screen"),
        (["--record", "/nowhere/x", "--once"], "/nowhere/x: No such file"), ([], "expected a terminal"),
    ],
)  # fmt: skip
def test_start_failures_name_their_reason(
    capsys: pytest.CaptureFixture[str], options: list[str], reason: str
) -> None:
    assert main(options) == 1
    assert reason in capsys.readouterr().err
