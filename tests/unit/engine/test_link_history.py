# SPDX-License-Identifier: Apache-2.0
"""The history of links in its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.api.links import LinkChange
from snatsh.engine.links import history
from snatsh.engine.links.history import KEPT, LinkHistory


def change(number: int, link: str = "isp-a") -> LinkChange:
    return LinkChange(f"2026-01-01T00:00:{number:02}", link, "down", "up", f"reason {number}")


def test_link_history_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "links.log"
    first = LinkHistory(path)
    assert first.newest() == []
    for number in range(4):
        first.add(change(number, "isp-a" if number % 2 else "isp-b"))
    again = LinkHistory(path)
    assert again.newest() == [change(3), change(2, "isp-b"), change(1), change(0, "isp-b")]
    assert again.newest("isp-a", 1) == [change(3)]
    again.add(change(4))
    assert LinkHistory(path).newest() == again.newest()


def test_damaged_link_history_is_read_up_to_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "links.log"
    LinkHistory(path).add(change(1))
    with path.open("ab") as file:
        file.write(b'nonsense\n[1]\n{"time": 1}\n\xff\xfe\n{"time": "2026')
    again = LinkHistory(path)
    assert again.newest() == [change(1)]
    again.add(change(2))
    assert LinkHistory(path).newest() == [change(2), change(1)]


def test_link_history_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "links.log"
    links = LinkHistory(path)
    for number in range(3 * KEPT):
        links.add(change(number))
    assert len(path.read_text().splitlines()) <= 2 * KEPT
    assert [one.reason for one in LinkHistory(path).newest(limit=2)] == ["reason 2999", "reason 2998"]
    assert len(LinkHistory(path).newest()) == KEPT


def test_unwritable_link_history_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    links = LinkHistory(tmp_path / "gone" / "links.log")
    for number in range(3):
        links.add(change(number))
    assert len(links.newest()) == 3
    assert len([one for one in caplog.records if one.name == history.__name__]) == 1
