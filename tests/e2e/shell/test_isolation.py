# SPDX-License-Identifier: Apache-2.0
"""No program of snatsh imports from the current folder: an operator may stand in one that others write."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pexpect
import pytest

import snatsh
from snatsh.lab.gateway import SNATD, SNATSH
from tests.e2e.harness import NOBODY, Gateway

NAMES = (
    "aiohttp", "asyncio", "bcc", "collections", "json", "lark", "logging", "msgspec", "numpy",
    "prompt_toolkit", "pydantic", "pyroute2", "rich", "sitecustomize", "snatsh", "socket", "textual",
    "typing", "usercustomize", "yaml",
)  # fmt: skip
USERS = {"root": (), "nobody": NOBODY}


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder of modules that leave a mark when they are imported."""
    tmp_path.chmod(0o777)
    for name in NAMES:
        text = f"open({str(tmp_path / 'marks')!r}, 'a').write({name + ' '!r})\nraise SystemExit('trapped')\n"
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def marks(trap: Path) -> str:
    found = trap / "marks"
    return found.read_text() if found.exists() else ""


def start(gateway: Gateway, trap: Path, user: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        gateway.lab["gateway"].command(*USERS[user], *argv), cwd=trap, capture_output=True, text=True,
        check=False, env={**os.environ, "SNATSH_SOCKET": str(gateway.snatd.socket)}, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "argv",
    [
        (SNATSH, "-c", "show version"),
        (SNATSH, "top", "--once"),
        (SNATSH, "import", "--from", "iptables", "/dev/null"),
        (SNATD, "--version"),
        (SNATD, "--check", "--pins", "/nowhere"),
    ],
    ids=lambda argv: " ".join(argv[:2]).rpartition("/")[2],
)
def test_programs(gateway: Gateway, trap: Path, user: str, argv: Sequence[str]) -> None:
    done = start(gateway, trap, user, *argv)
    assert not marks(trap), done.stderr
    assert "trapped" not in done.stdout + done.stderr
    assert done.stdout or done.stderr


@pytest.mark.parametrize("user", USERS)
def test_the_live_view_within_the_shell(gateway: Gateway, trap: Path, user: str) -> None:
    command = gateway.lab["gateway"].command(*USERS[user], SNATSH)
    child = pexpect.spawn(
        command[0], command[1:], cwd=str(trap), encoding="utf-8", timeout=30, dimensions=(30, 100),
        env={**os.environ, "SNATSH_SOCKET": str(gateway.snatd.socket), "TERM": "xterm", "HOME": str(trap)},
    )  # fmt: skip
    try:
        child.expect(r"> ")
        child.send("monitor dashboard\r")
        child.expect(r"Quit|trapped|exited with status|no permission")
    finally:
        child.close(force=True)
    assert not marks(trap)


def test_a_path_in_the_environment_reaches_no_program_that_ours_start(gateway: Gateway, trap: Path) -> None:
    """The environment of the first program is its caller's; what it starts is isolated."""
    (trap / "textual.py").rename(trap / "only")
    for path in trap.glob("*.py"):
        path.unlink()
    (trap / "only").rename(trap / "textual.py")
    done = start(gateway, trap, "root", "env", f"PYTHONPATH={trap}", SNATSH, "top", "--once")
    assert not marks(trap), done.stderr
    assert done.returncode == 0


def test_the_compiler_of_the_datapath(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snatsh.datapath.bcc.toolchain import compile_source

    monkeypatch.chdir(trap)
    monkeypatch.setenv("PYTHONPATH", str(trap))
    source = "int pass(struct xdp_md *context) { return XDP_PASS; }"
    assert compile_source(source, [], ["pass"]).programs
    assert not marks(trap)


def test_python_is_started_in_one_place() -> None:
    """Whoever starts Python does it by `run_module`."""
    root = Path(snatsh.__file__).parent
    uses = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"sys\.executable|[\"']python3?[\"']", path.read_text())
    }
    assert uses == {"interpreter.py", "lab/gateway.py"}
