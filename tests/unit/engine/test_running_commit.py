# SPDX-License-Identifier: Apache-2.0
"""Which commit runs is kept beside the pins, and a history that is gone is not taken for a first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from snatsh.datapath.loading import commit_mark, pinned
from snatsh.datapath.loading.commit_mark import ANY, CommitMark
from snatsh.engine.config.history import Metadata, Store
from snatsh.engine.config.running_commit import HistoryGone, begin_anew, require_history


def test_mark_is_replaced_and_cleared(tmp_path: Path) -> None:
    assert commit_mark.read(tmp_path) is None
    for mark in (
        CommitMark(1, "ab12"),
        CommitMark(2, "cd34"),
        CommitMark(2, "cd34"),
        ANY,
        CommitMark(3, "ef"),
    ):
        commit_mark.put(tmp_path, mark)
        assert commit_mark.read(tmp_path) == mark
        assert len(list(tmp_path.iterdir())) == 1
    commit_mark.clear(tmp_path)
    assert commit_mark.read(tmp_path) is None


def test_no_commit_runs_without_pins(tmp_path: Path) -> None:
    found = pinned.look(tmp_path / "pins")
    assert (found.generation, found.mark) == (0, None)


@pytest.mark.parametrize("name", ["audit.log", "audit.log.1", "confirm.json", "rescue.json", "links.log"])
def test_used_state_folder_without_its_history_is_refused(tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / name).write_text("{}")
    store = Store(state)
    with pytest.raises(HistoryGone, match=f"there is {name}, but the history is gone"):
        require_history(store, tmp_path / "pins")
    store.prepare({}, Metadata.now("ann", "cli"))
    store.publish()
    require_history(store, tmp_path / "pins")
    store.close()


def test_first_start_needs_no_history(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    require_history(store, tmp_path / "pins")
    store.close()


def test_begin_anew_leaves_no_permission_where_nothing_runs(tmp_path: Path) -> None:
    assert not begin_anew(tmp_path)
    assert commit_mark.read(tmp_path) is None
