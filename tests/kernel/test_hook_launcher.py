# SPDX-License-Identifier: Apache-2.0
"""The launcher of the event hook: an unprivileged user, a time limit, and nothing that was exchanged."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snatsh.daemon import hook_launcher

pytestmark = pytest.mark.kernel


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir="/run"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def launcher() -> Iterator[socket.socket]:
    with hook_launcher.start("nobody") as channel:
        channel.settimeout(20)
        yield channel


def run(launcher: socket.socket, command: Path, seconds: int = 5) -> str:
    request = {
        "command": str(command),
        "arguments": ["down", "isp-a"],
        "environment": {"PATH": "/usr/bin:/bin"},
        "seconds": seconds,
    }
    launcher.send(json.dumps(request).encode())
    return launcher.recv(4096).decode()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_it_runs_without_any_privilege(folder: Path, launcher: socket.socket) -> None:
    told = folder / "told"
    told.touch()
    shutil.chown(told, "nobody")
    text = f'(echo "$1 $2"; pwd; id -u; id -G; grep -E "Cap[^B]|NoNewPrivs" /proc/self/status) >{told}'
    assert run(launcher, script(folder / "hook", text)) == "ok"
    lines = told.read_text().splitlines()
    nobody = pwd.getpwnam("nobody")
    assert lines[:4] == ["down isp-a", "/", str(nobody.pw_uid), str(nobody.pw_gid)]
    assert {line.split()[1] for line in lines if line.startswith("Cap")} == {"0" * 16}
    assert "NoNewPrivs:\t1" in lines


def test_failures_are_told(folder: Path, launcher: socket.socket) -> None:
    assert run(launcher, script(folder / "hook", "exit 3")) == "exit status 3"
    assert run(launcher, script(folder / "hook", "echo x >/etc/snatsh-must-not-be")) != "ok"
    assert not Path("/etc/snatsh-must-not-be").exists()
    assert run(launcher, script(folder / "hook", "sleep 60 & sleep 60"), 1) == "killed after 1 s"
    assert run(launcher, folder / "absent").startswith("refused: No such file")
    assert run(launcher, Path("/bin/true")) == "ok"


def test_it_ends_with_snatd_and_takes_the_program_along(folder: Path, launcher: socket.socket) -> None:
    told = folder / "told"
    told.touch()
    shutil.chown(told, "nobody")
    command = script(folder / "hook", f"echo $$ >{told}; exec sleep 60")
    request = {"command": str(command), "arguments": [], "environment": {}, "seconds": 60}
    launcher.send(json.dumps(request).encode())
    deadline = time.monotonic() + 10
    while not told.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    launcher.close()
    while Path(f"/proc/{told.read_text().strip()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


SWAP = """
import os, sys
good, bad, name = sys.argv[1:]
while True:
    for target in (good, bad):
        os.symlink(target, name + ".new")
        os.rename(name + ".new", name)
"""


def test_a_program_that_is_exchanged_all_the_time_never_runs(folder: Path, launcher: socket.socket) -> None:
    """An administrator points the hook below a folder of his own, and swaps what lies there."""
    own, ran = folder / "own", folder / "ran"
    own.mkdir()
    ran.touch()
    ran.chmod(0o666)
    bad = script(own / "bad", f"id -u >>{ran}")
    for path in (own, bad):
        os.chown(path, 4001, 4001)
    good = script(folder / "good", "true")
    swapper = subprocess.Popen(
        [sys.executable, "-I", "-c", SWAP, str(good), str(bad), str(own / "hook")], user=4001, group=4001
    )
    try:
        outcomes = {run(launcher, own / "hook") for _ in range(300)}
    finally:
        swapper.send_signal(signal.SIGKILL)
        swapper.wait()
    assert all(outcome.startswith("refused: ") for outcome in outcomes), outcomes
    assert not ran.read_text()
