# SPDX-License-Identifier: Apache-2.0
"""Files are private, appended to, and replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from snatsh.engine.storage import atomic_file


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        atomic_file.write(tmp_path / "written", b"a")
        atomic_file.append(tmp_path / "appended", b"a")
        atomic_file.replace(tmp_path / "replaced", b"a", sync=False)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_write_truncates_and_append_does_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    atomic_file.write(file, b"a long line\n")
    atomic_file.write(file, b"one\n")
    atomic_file.append(file, b"two\n")
    assert file.read_bytes() == b"one\ntwo\n"


def test_replace_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    atomic_file.replace(file, b"old")

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        atomic_file.replace(file, b"new")
    assert file.read_bytes() == b"old"


def test_replace_does_not_follow_a_symlink_at_its_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"untouched")
    (tmp_path / ".file.new").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        atomic_file.replace(tmp_path / "file", b"new")
    assert target.read_bytes() == b"untouched"


def test_remove_accepts_a_missing_file(tmp_path: Path) -> None:
    atomic_file.write(tmp_path / "file", b"")
    for _ in range(2):
        atomic_file.remove(tmp_path / "file")
    assert not list(tmp_path.iterdir())
