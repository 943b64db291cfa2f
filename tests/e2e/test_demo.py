# SPDX-License-Identifier: Apache-2.0
"""`make run`: what it prints, and that it is gone afterwards, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from snatsh.lab.namespaces import NETNS_FOLDER, PIN_FOLDER, RUN_FOLDER, remove_orphans

DEMO = (sys.executable, "-m", "snatsh.lab.demo")
ROOT = Path(__file__).parents[2]


def traces(pid: int) -> list[Path]:
    """What a lab of this process has on the machine."""
    folders = [folder for folder in (NETNS_FOLDER, RUN_FOLDER, PIN_FOLDER) if folder.is_dir()]
    return [path for folder in folders for path in folder.glob(f"snatsh-lab-{pid}-*")]


def run_demo(command: str) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        [*DEMO, "--command", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    output, errors = process.communicate(timeout=60)
    assert traces(process.pid) == []
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def test_single_command_prints_only_its_output() -> None:
    done = run_demo("show flows | json")
    assert done.returncode == 0, done.stderr
    assert {flow["protocol"] for flow in json.loads(done.stdout)["flows"]} == {"tcp", "udp", "icmp"}
    assert done.stderr == ""


def test_exit_status_is_that_of_the_command() -> None:
    done = run_demo("show nonsense")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "nonsense" in done.stderr


def test_make_run() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "run", "CMD=show links"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "isp-a" in done.stdout


def start_and_wait_until_built() -> subprocess.Popen[bytes]:
    demo = subprocess.Popen(
        DEMO, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while not list(RUN_FOLDER.glob(f"snatsh-lab-{demo.pid}-*/gateway.sock")):
        assert demo.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return demo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_removes_the_demo(number: signal.Signals) -> None:
    demo = start_and_wait_until_built()
    demo.send_signal(number)
    assert demo.wait(20) == 128 + number
    assert traces(demo.pid) == []


def test_killed_demo_is_removed_by_the_next_one() -> None:
    demo = start_and_wait_until_built()
    left = traces(demo.pid)
    demo.kill()
    demo.wait()
    spaces = [path.name for path in left if path.parent == NETNS_FOLDER]
    pids = [pid for name in spaces for pid in subprocess.check_output(["ip", "netns", "pids", name]).split()]
    assert pids
    remove_orphans()
    assert traces(demo.pid) == []
    assert not [pid for pid in pids if is_running(int(pid))]


def is_running(pid: int) -> bool:
    """Killed but not yet reaped by whoever inherited it does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_leaving_the_console_removes_the_demo() -> None:
    console = pexpect.spawn(
        DEMO[0], list(DEMO[1:]), encoding="utf-8", timeout=30, env={**os.environ, "TERM": "vt100"}
    )
    console.expect("isp-a")
    console.expect("> $")
    console.sendline("show interfaces")
    console.expect("eth2")
    console.expect("> $")
    console.sendintr()  # at the prompt: the line, not the demo
    console.expect("> $")
    console.sendline("exit")
    console.expect(pexpect.EOF)
    console.close()
    assert console.exitstatus == 0
    assert traces(console.pid) == []


def test_host_network_is_unchanged() -> None:
    def host() -> list[str]:
        commands = (["ip", "address"], ["ip", "route"], ["ip", "rule"], ["nft", "list", "ruleset"])
        shown = [subprocess.check_output(command, text=True) for command in commands]
        # Lifetimes of leased addresses run down by themselves.
        lines = [line for text in shown for line in text.splitlines() if "valid_lft" not in line]
        return [*lines, *(path.read_text() for path in Path("/proc/sys/net/ipv4/conf").glob("*/forwarding"))]

    before = host()
    assert run_demo("show links").returncode == 0
    assert host() == before
