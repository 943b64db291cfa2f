# SPDX-License-Identifier: Apache-2.0
"""Operators over OpenSSH: login shell and forced command, roles, the audit log."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import pexpect
import pytest

from tests.e2e.ssh_gateway import SshGateway


@pytest.fixture
def gateway(ssh_box: SshGateway) -> Iterator[SshGateway]:
    yield ssh_box
    ssh_box.reset()


def session(gateway: SshGateway, user: str, term: str = "vt100") -> pexpect.spawn:
    command = gateway.lab["gateway"].command(*gateway.ssh_command(user, "-tt"))
    return pexpect.spawn(
        command[0], command[1:], env={"TERM": term, "PATH": "/usr/bin:/bin"}, encoding="utf-8", timeout=30,
        dimensions=(40, 120),
    )  # fmt: skip


@pytest.mark.parametrize("user", ["alice", "forced", "vera"])
def test_one_command_exits_with_its_status(gateway: SshGateway, user: str) -> None:
    done = gateway.ssh(user, "show flows | json")
    assert done.returncode == 0, done.stderr
    assert "capacity" in json.loads(done.stdout)
    done = gateway.ssh(user, "show nonsense")
    assert done.returncode == 1
    assert "unknown command" in done.stderr


@pytest.mark.parametrize("user", ["alice", "forced"])
def test_a_session_with_a_terminal(gateway: SshGateway, user: str) -> None:
    child = session(gateway, user)
    child.expect(rf"{user}@\S+> $")
    child.send("show version\r")
    child.expect(rf"User: +{user} \(admin\)\r\n")
    child.expect(rf"{user}@\S+> $")
    child.send("exit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_commands_on_standard_input(gateway: SshGateway) -> None:
    done = gateway.ssh("alice", stdin="configure\nset rules 10 pool c\ncommit\nexit\n", options=("-T",))
    assert done.returncode == 0, done.stderr
    assert "commit complete" in done.stdout
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "c"


WAYS_OUT = (
    "/bin/sh -c id", "id; id", "show version\nid", "! id", "sh", "show version; id", "show version && id",
    "`id`", "$(id)", "--help", "show version | sh", "-c id", "/usr/lib/openssh/sftp-server", "scp -t /tmp",
    "PYTHONINSPECT=1 snatsh",
)  # fmt: skip
ATTEMPTS = [
    *((user, attempt) for user in ("vera", "forced") for attempt in WAYS_OUT),
    *((user, attempt) for user in ("alice", "oscar") for attempt in WAYS_OUT[:4]),
]
"""What a line may do does not depend on the role: all ways for one of each kind of account."""


@pytest.mark.parametrize(("user", "attempt"), ATTEMPTS)
def test_forced_command_cannot_be_escaped(gateway: SshGateway, user: str, attempt: str) -> None:
    done = gateway.ssh(user, attempt)
    assert "uid=" not in done.stdout + done.stderr
    assert done.returncode != 0 or "usage: snatsh" in done.stdout


@pytest.mark.parametrize("user", ["alice", "forced"])
def test_file_transfer_is_refused(gateway: SshGateway, user: str) -> None:
    done = gateway.ssh(user, "sftp", options=("-s",))
    assert done.returncode != 0
    assert not done.stdout


def test_control_keys_do_not_leave_the_shell(gateway: SshGateway) -> None:
    for term in ("vt100", "xterm"):
        child = session(gateway, "vera", term)
        child.expect(r"vera@\S+> ")
        for keys in ("\x1a", "\x1c", "\x18\x05", "\x1b!", "\x03"):
            child.send(keys)
            time.sleep(0.1)
        child.send("\x15show version\r")
        child.expect(r"vera \(view\)")
        child.close(force=True)


def test_dropped_connection_does_not_affect_the_commit_deadline(gateway: SshGateway) -> None:
    child = session(gateway, "alice")
    child.expect(r"alice@\S+> $")
    for line in ("configure", "set rules 10 pool c", "commit and-quit comment drop confirmed 9"):
        child.send(f"{line}\r")
        child.expect(r"alice@\S+[>#] $")
    child.kill(9)
    child.close(force=True)
    pending = gateway.snatd.client.commits().pending
    assert pending is not None
    assert (pending.user, pending.minutes, pending.comment) == ("alice", 9, "drop")
    done = gateway.ssh("alice", "request system commit abort")
    assert done.stdout == "commit was rolled back\n"
    assert gateway.snatd.client.configuration()["rules"]["10"]["pool"] == "a"


def test_start_shell_is_for_administrators(gateway: SshGateway) -> None:
    assert "expected admin" in gateway.ssh("oscar", "start shell").stderr
    assert "expected admin" in gateway.ssh("vera", "start shell").stderr
    child = session(gateway, "alice")
    child.expect(r"alice@\S+> $")
    child.send("start shell\r")
    child.expect(r"\$ $")
    child.send("id -un\r")
    child.expect(r"alice\r\n")
    child.send("exit\r")
    child.expect(r"alice@\S+> $")
    child.close(force=True)


ALLOWED = {
    "show version": ("vera", "oscar", "alice"),
    "show flows": ("vera", "oscar", "alice"),
    "show configuration": ("vera", "oscar", "alice"),
    "clear flows all": ("oscar", "alice"),
    "test packet source 192.168.40.9 destination 8.8.8.8": ("oscar", "alice"),
    "monitor trace count 1 seconds 1": ("oscar", "alice"),
    "configure": ("alice",),
    "request system configuration rescue save": ("alice",),
    "clear system commit": (),
}


@pytest.mark.parametrize("command", ALLOWED)
@pytest.mark.parametrize("user", ["vera", "oscar", "alice"])
def test_roles_limit_commands(gateway: SshGateway, user: str, command: str) -> None:
    done = gateway.ssh(user, command)
    assert (done.returncode == 0) == (user in ALLOWED[command]), done.stderr
    if user == "vera" and "vera" not in ALLOWED[command]:
        assert "vera has the role view; this needs" in done.stderr


def test_roles_are_enforced_by_snatd(gateway: SshGateway) -> None:
    """Whatever a console would send: the kernel says who sent it."""
    code = (
        "import sys; from snatsh.client import Client, Refused\n"
        "c = Client(sys.argv[1])\n"
        "for call in (lambda: c.edit([]), lambda: c.commit(), lambda: c.end_flows(), lambda: c.abort(),\n"
        "             lambda: c.enter('shared', ''), lambda: c.replace_candidate({})):\n"
        "    try: call(); print('LET IN')\n"
        "    except Refused: print('refused')\n"
    )
    python = gateway.lab["gateway"]
    done = python.run(
        *gateway.accounts.command("setpriv", "--reuid=4003", "--regid=4003", "--init-groups"),
        sys.executable, "-c", code, str(gateway.snatd.socket),
    )  # fmt: skip
    assert done.stdout.split() == ["refused"] * 6


def test_a_user_in_no_group_has_no_access(gateway: SshGateway) -> None:
    done = gateway.ssh("nobodys", "show version")
    assert done.returncode == 1
    assert "ask for membership in the group snatsh" in done.stderr


def test_every_command_is_in_the_audit_log(gateway: SshGateway) -> None:
    before = len(gateway.audit())
    gateway.ssh("oscar", "show pools")
    gateway.ssh("oscar", "show nonsense")
    gateway.ssh("vera", "clear flows all")
    log = gateway.audit()[before:]
    shown = next(entry for entry in log if entry.get("command") == "show pools")
    assert (shown["user"], shown["uid"], shown["origin"], shown["result"]) == (
        "oscar",
        4002,
        "127.0.0.1",
        "ok",
    )
    assert shown["time"]
    wrong = [entry for entry in log if entry.get("command") == "show nonsense"]
    assert [entry["result"] for entry in wrong if entry["user"] == "oscar"] == ["failed"]
    refused = [entry for entry in log if entry["user"] == "vera" and entry.get("method") == "DELETE"]
    assert [entry["result"] for entry in refused] == [403]


def test_every_user_has_a_separate_folder(gateway: SshGateway) -> None:
    gateway.ssh("alice", "show version | save mine")
    assert "mine" in gateway.ssh("alice", "file list").stdout
    assert "mine" not in gateway.ssh("oscar", "file list").stdout
    assert gateway.ssh("oscar", "file show mine").returncode == 1
