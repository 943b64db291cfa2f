# SPDX-License-Identifier: Apache-2.0
"""A user who may only look takes neither failover, nor root's console, nor memory, nor the disk."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snatsh.lab.namespaces import Lab
from tests.e2e.harness import READS_ALL, running_gateway
from tests.e2e.link_failures import cable_down, commit, wait_state, with_monitors
from tests.e2e.shell import view_user_attacks
from tests.e2e.ssh_gateway import ACCOUNTS, GROUPS, Accounts, SshGateway, SshSnatd

FAILOVER_SECONDS = 2.0
CONSOLE_SECONDS = 3.0
MEMORY = 300 << 20
LOG = 100_000
DESCRIPTORS = 1024
MANY_FLOWS = """
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(2000, 20000):
    sender.sendto(b"x", ("203.0.113.9", port))
"""
"""Something to list."""

pytestmark = pytest.mark.serial


class NarrowSnatd(SshSnatd):
    """With the descriptors that a system without a service manager gives it, and no more."""

    def command(self, *options: str) -> list[str]:
        return ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *super().command(*options)]


class NarrowGateway(SshGateway):
    def __init__(self, lab: Lab, hook: str) -> None:
        super().__init__(lab, hook)
        self.accounts: Accounts
        self.snatd = NarrowSnatd(lab, self.accounts)


@pytest.fixture(scope="module")
def gateway() -> Iterator[NarrowGateway]:
    with running_gateway("tc", NarrowGateway) as running:
        assert isinstance(running, NarrowGateway)
        commit(running, with_monitors("tc", hold_down=0))
        for name in ("isp-a", "isp-b"):
            wait_state(running, "up", name)
        for name in ("client-a", "client-b"):
            running.lab[name].run(sys.executable, "-c", MANY_FLOWS)
        yield running


@contextmanager
def attacked(gateway: NarrowGateway, attack: str) -> Iterator[None]:
    user = ("setpriv", f"--reuid={ACCOUNTS['vera']}", f"--regid={GROUPS['snatsh'][0]}", "--clear-groups")
    program = (sys.executable, view_user_attacks.__file__, str(gateway.snatd.socket), attack)
    command = gateway.lab["gateway"].command(*user, *READS_ALL, *program)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield
        finally:
            running.kill()


def memory(gateway: NarrowGateway) -> int:
    for line in Path(f"/proc/{gateway.snatd.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise AssertionError("expected the resident size")


@pytest.mark.parametrize("attack", ["readers", "idle", "bodies", "storm"])
def test_failover_and_root_console_work_under_load(gateway: NarrowGateway, attack: str) -> None:
    if attack == "readers":
        assert gateway.snatd.client.flows(limit=1).total > 20_000
    logged, used = gateway.snatd.log.stat().st_size, memory(gateway)
    with attacked(gateway, attack):
        started = time.monotonic()
        repair = cable_down(gateway)
        try:
            wait_state(gateway, "down", seconds=FAILOVER_SECONDS)
            took = time.monotonic() - started
            assert gateway.snatd.shell("show links", timeout=10).returncode == 0
            console = time.monotonic() - started - took
            most = memory(gateway)
        finally:
            repair()
        wait_state(gateway, "up")
    print(f"{attack}: down after {took:.2f} s, console {console:.2f} s, {used >> 20} to {most >> 20} MiB")
    assert console < CONSOLE_SECONDS
    assert most < MEMORY
    assert gateway.snatd.log.stat().st_size - logged < LOG


def test_the_audit_log_is_not_flooded(gateway: NarrowGateway) -> None:
    gateway.snatd.shell("show version")
    with attacked(gateway, "audit"):
        found = gateway.audit()
    assert any(entry["uid"] == 0 and entry.get("command") == "show version" for entry in found)
    assert 50 < sum(entry["uid"] == ACCOUNTS["vera"] for entry in found) < 200
    assert gateway.snatd.shell("show log audit | last 5").returncode == 0
