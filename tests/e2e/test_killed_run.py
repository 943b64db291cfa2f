# SPDX-License-Identifier: Apache-2.0
"""A test run that is killed leaves nothing that the next one does not remove."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snatsh.lab.namespaces import NETNS_FOLDER, PIN_FOLDER, RUN_FOLDER, remove_orphans

ROOT = Path(__file__).parents[2]
WITH_A_GATEWAY = """
from tests.e2e.harness import running_gateway

def test_until_killed(tmp_path):
    with running_gateway("tc") as gateway:
        print("standing", gateway.lab.identity, flush=True)
        input()
"""
WITH_A_RIG = """
from tests.kernel.rig import rig

def test_until_killed(tmp_path):
    with rig("tc") as gateway:
        print("standing", gateway.namespace.name, flush=True)
        input()
"""


@pytest.mark.serial
@pytest.mark.parametrize("test", [WITH_A_GATEWAY, WITH_A_RIG], ids=["gateway", "rig"])
def test_killed_test_run_leaves_nothing_behind(tmp_path: Path, test: str) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    file = tmp_path / "test_until_killed.py"
    file.write_text(test)
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", f"--rootdir={tmp_path}",
         f"--basetemp={tmp_path / 'base'}", file],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary), "PYTEST_ADDOPTS": ""},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    identity = standing(run)
    assert traces(identity), "it is up"
    assert processes(identity) or test == WITH_A_RIG
    run.kill()
    run.wait()
    remove_orphans()
    assert traces(identity) == []
    assert processes(identity) == []
    assert list(temporary.iterdir()) == []


def standing(run: subprocess.Popen[str]) -> str:
    """Wait for the lab; its identity."""
    assert run.stdout is not None
    seen = []
    for line in run.stdout:
        seen.append(line)
        if found := re.search(r"standing (?:snatsh-lab-)?([\d-]+)", line):
            return found[1]
    pytest.fail("".join(seen))


def traces(identity: str) -> list[Path]:
    folders = [folder for folder in (NETNS_FOLDER, RUN_FOLDER, PIN_FOLDER) if folder.is_dir()]
    return [path for folder in folders for path in folder.glob(f"snatsh-lab-{identity}*")]


def processes(identity: str) -> list[str]:
    """Command lines that name something of this lab, save those of pytest."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"snatsh-lab-{identity}" in line:
            found.append(line)
    return found
