# SPDX-License-Identifier: Apache-2.0
"""What is kept of a compile, and what is not trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from snatsh.datapath.bcc.object_cache import KEPT, ObjectCache, key_of
from snatsh.datapath.bcc.object_code import ObjectCode, PrivateMap, Program

LOAD_MAP = bytes([0x18, 0x11, 0, 0, 9, 0, 0, 0]) + bytes(8)
EXIT = bytes([0x95, 0, 0, 0, 0, 0, 0, 0])
KEY = key_of("text", ["-DA=1"])


@pytest.fixture
def code() -> ObjectCode:
    program = Program.unlinked(EXIT + LOAD_MAP, {9: "records"})
    return ObjectCode({"xdp_inside": program}, {"scratches": PrivateMap(6, 4, 100, 1, 0)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_map_references_are_relocated_by_name(code: ObjectCode) -> None:
    program = code.programs["xdp_inside"]
    assert program.maps == {1: "records"}
    assert program.linked({"records": 300})[12:16] == (300).to_bytes(4, "little")


def test_cached_objects_are_found_by_their_key_only(folder: Path, code: ObjectCode) -> None:
    ObjectCache(folder).put(KEY, code)
    assert ObjectCache(folder).get(KEY) == code
    assert ObjectCache(folder).get(key_of("text", ["-DA=2"])) is None
    assert ObjectCache(folder).get(key_of("other", ["-DA=1"])) is None


def test_damaged_cache_entries_are_rejected(folder: Path, code: ObjectCode) -> None:
    cache = ObjectCache(folder)
    cache.put(KEY, code)
    (path,) = folder.iterdir()
    held = bytearray(path.read_bytes())
    held[-20] ^= 1
    path.write_bytes(held)
    assert cache.get(KEY) is None


def test_cache_entries_with_another_key_are_rejected(folder: Path, code: ObjectCode) -> None:
    cache, other = ObjectCache(folder), key_of("other", [])
    cache.put(KEY, code)
    (path,) = folder.iterdir()
    path.rename(folder / f"{other[:32]}.object")
    assert cache.get(other) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_cache_folder_accessible_to_others_is_rejected(folder: Path, code: ObjectCode, mode: int) -> None:
    cache = ObjectCache(folder)
    cache.put(KEY, code)
    folder.chmod(mode)
    assert cache.get(KEY) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away, which only root may")
def test_cache_folder_of_another_user_is_rejected(folder: Path, code: ObjectCode) -> None:
    cache = ObjectCache(folder)
    cache.put(KEY, code)
    os.chown(folder, 65534, 65534)
    assert cache.get(KEY) is None


def test_symlinked_cache_folder_is_rejected(folder: Path, code: ObjectCode, tmp_path: Path) -> None:
    ObjectCache(folder).put(KEY, code)
    (tmp_path / "link").symlink_to(folder)
    assert ObjectCache(tmp_path / "link").get(KEY) is None


def test_uncreatable_cache_folder_disables_the_cache(tmp_path: Path, code: ObjectCode) -> None:
    (tmp_path / "file").touch()
    cache = ObjectCache(tmp_path / "file" / "cache")
    cache.put(KEY, code)
    assert cache.get(KEY) is None


def test_old_and_unfinished_cache_entries_are_removed(folder: Path, code: ObjectCode) -> None:
    cache = ObjectCache(folder)
    folder.mkdir(mode=0o700)
    (folder / "killed.part").touch()
    keys = [key_of(str(number), []) for number in range(KEPT + 2)]
    for age, key in enumerate(keys):
        cache.put(key, code)
        os.utime(folder / f"{key[:32]}.object", (age, age))
    cache.put(KEY, code)
    assert len(list(folder.iterdir())) == KEPT
    assert cache.get(keys[0]) is None
    assert cache.get(keys[-1]) == code
