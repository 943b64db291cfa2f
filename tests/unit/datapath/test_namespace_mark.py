# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from snatsh.datapath.loading import namespace_mark


def test_mark_names_the_namespace_of_the_last_one_that_put_it(tmp_path: Path) -> None:
    assert namespace_mark.read(tmp_path) is None
    (tmp_path / "namespace-123").mkdir()
    (tmp_path / "commit-1-abc").mkdir()
    assert namespace_mark.read(tmp_path) == 123
    for _ in range(2):
        namespace_mark.put(tmp_path)
        assert (
            namespace_mark.read(tmp_path) == namespace_mark.own() == Path("/proc/self/ns/net").stat().st_ino
        )
        assert len(list(tmp_path.iterdir())) == 2
    namespace_mark.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["commit-1-abc"]


def test_mark_without_a_number_is_none(tmp_path: Path) -> None:
    (tmp_path / "namespace-x").mkdir()
    assert namespace_mark.read(tmp_path) is None
