# SPDX-License-Identifier: Apache-2.0
"""What may be run as the event hook: only what root alone has put there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snatsh.engine.storage.trusted_program import NotTrusted, open_program

OWN = os.geteuid()
OTHER = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below parents that are root's: those of pytest lie in one that everybody writes."""
    made = Path(tempfile.mkdtemp(dir="/run" if OWN == 0 else Path.home()))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def program(folder: Path, name: str = "hook") -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def opened(path: Path) -> None:
    os.close(open_program(str(path), OWN))


def test_what_is_roots_and_links_to_it(folder: Path) -> None:
    path = program(folder)
    opened(path)
    (folder / "relative").symlink_to("hook")
    (folder / "absolute").symlink_to(path)
    (folder / "inner").mkdir()
    (folder / "inner" / "up").symlink_to("../relative")
    for name in ("relative", "absolute", "inner/up"):
        opened(folder / name)
    opened(Path("/bin/sh"))


def foreign_target(folder: Path) -> Path:
    target = program(Path(tempfile.mkdtemp(dir="/tmp")))
    (folder / "link").symlink_to(target)
    return folder / "link"


def writable_folder(folder: Path) -> Path:
    path = program(folder)
    folder.chmod(0o775)
    return path


def writable_parent(folder: Path) -> Path:
    (folder / "inner").mkdir()
    path = program(folder / "inner")
    folder.chmod(0o777)
    return path


def writable_file(folder: Path) -> Path:
    path = program(folder)
    path.chmod(0o757)
    return path


def foreign_file(folder: Path) -> Path:
    path = program(folder)
    os.chown(path, OTHER, -1)
    return path


def foreign_folder(folder: Path) -> Path:
    path = program(folder)
    os.chown(folder, OTHER, -1)
    return path


def endless(folder: Path) -> Path:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    return folder / "a"


def no_program(folder: Path) -> Path:
    path = program(folder)
    path.chmod(0o644)
    return path


def absent(folder: Path) -> Path:
    return folder / "absent"


UNFIT = [
    foreign_target,
    writable_folder,
    writable_parent,
    writable_file,
    endless,
    no_program,
    absent,
]
if OWN == 0:
    UNFIT += [foreign_file, foreign_folder]


@pytest.mark.parametrize("make", UNFIT, ids=lambda make: make.__name__)
def test_what_others_could_have_changed(folder: Path, make: Callable[[Path], Path]) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(NotTrusted):
        opened(make(folder))
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
