# SPDX-License-Identifier: Apache-2.0
"""The compiler's part: headers that stand alone, constants that must agree, and nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snatsh.datapath import constants, layout
from snatsh.datapath.bcc.source import SOURCE_FOLDER, assemble
from snatsh.datapath.bcc.toolchain import compile_source
from snatsh.datapath.errors import CompileError
from snatsh.datapath.loading.loader import load, source_text
from snatsh.datapath.maps import MAPS, TableSize
from tests.waiting import wait

FILES = sorted(path.name for path in SOURCE_FOLDER.glob("*.[ch]"))
SIZE = [*(f"-D{name}={value}" for name, value in TableSize(64).defines.items()), "-DRECENT_CPUS=1"]
END = '_Static_assert(0, "the end");\n'
"""Keeps BCC from going on to what takes seconds."""


def errors(text: str) -> list[str]:
    """What the compiler's front end finds wrong."""
    with pytest.raises(CompileError) as raised:
        compile_source(text, [*SIZE, "-Werror=implicit-function-declaration", "-ferror-limit=0"], [])
    return re.findall(r"error: .*", raised.value.output)


@pytest.mark.parametrize("name", FILES)
def test_each_source_file_compiles_alone(name: str) -> None:
    (only,) = errors(assemble([name]) + END)
    assert only.endswith('"the end"')


@pytest.fixture(scope="module")
def refused() -> str:
    """What is wrong with a source in which every number that Python asserts is another."""
    changed = re.sub(r"^(_Static_assert\(.* == )(\d+)(, .*)", one_more, source_text(), flags=re.MULTILINE)
    return "\n".join(errors(changed))


def one_more(assertion: re.Match[str]) -> str:
    return f"{assertion[1]}{int(assertion[2]) + 1}{assertion[3]}"


@pytest.mark.parametrize("name", constants.shared())
def test_differing_constants_are_refused(name: str, refused: str) -> None:
    assert f'"value of {name}"' in refused


@pytest.mark.parametrize("name", layout.TWINS)
def test_differing_records_are_refused(name: str, refused: str) -> None:
    assert f'"size of {name}"' in refused
    for field in layout.TWINS[name].names or ():
        assert f'"place of {name}.{field}"' in refused
        assert f'"size of {name}.{field}"' in refused


@pytest.mark.parametrize("name", MAPS)
def test_differing_map_types_are_refused(name: str, refused: str) -> None:
    assert f'"leaf of map {name}"' in refused


def test_build_includes_the_assertions(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**constants.shared(), "ROLE_INSIDE": 7}
    monkeypatch.setattr(constants, "shared", lambda: changed)
    with pytest.raises(CompileError, match="value of ROLE_INSIDE"):
        load(pins, 64)
    assert list(pins.iterdir()) == []


LOAD = """
import sys
from pathlib import Path
from snatsh.datapath.loading.loader import load
load(Path(sys.argv[1]), 64)
"""


@pytest.mark.parametrize("moment", ["during the compile", "after it"])
def test_killed_compilers_leave_no_temporary_files(moment: str, pins: Path, tmp_path: Path) -> None:
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    surroundings = {**os.environ, "TMPDIR": str(temporary), "CACHE_DIRECTORY": str(cache)}
    running = subprocess.Popen([sys.executable, "-c", LOAD, str(pins)], env=surroundings)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    is_reached: dict[str, Callable[[], bool]] = {
        "during the compile": lambda: bool(children.read_text()),
        "after it": lambda: any(pins.glob("v*/programs-*")),
    }
    try:
        wait(is_reached[moment], moment, 60)
    finally:
        running.kill()
        running.wait()
    assert list(temporary.iterdir()) == []
    kept = {"during the compile": [], "after it": [".object"]}
    assert [path.suffix for path in cache.glob("*")] == kept[moment]
