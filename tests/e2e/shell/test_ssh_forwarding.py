# SPDX-License-Identifier: Apache-2.0
"""With sshd set up as documented, no operator gets further than the shell: nothing is forwarded."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ssh_gateway import ACCOUNTS, PORT, SshGateway

USERS = ("vera", "forced", "alice")
FORWARDED = 2299


@pytest.fixture
def gateway(ssh_box: SshGateway) -> SshGateway:
    return ssh_box


@contextlib.contextmanager
def connected(gateway: SshGateway, user: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """An SSH connection without a command, which is what forwards."""
    command = gateway.lab["gateway"].command(*gateway.ssh_command(user, "-N", "-v", *options))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def answer(gateway: SshGateway, port: int, asks: bytes = b"") -> bytes:
    """What comes back from a port of the SSH client, once it listens."""
    deadline = time.monotonic() + 10
    with gateway.lab["gateway"].entered():
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as connection:
                    connection.sendall(asks)
                    return connection.recv(64)
            except ConnectionResetError:
                return b""
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)


@pytest.mark.parametrize("user", USERS)
def test_local_forwarding(gateway: SshGateway, user: str) -> None:
    with connected(gateway, user, "-L", f"127.0.0.1:{FORWARDED}:127.0.0.1:{PORT}"):
        assert answer(gateway, FORWARDED) == b""


@pytest.mark.parametrize("user", USERS)
def test_dynamic_forwarding(gateway: SshGateway, user: str) -> None:
    socks = b"\x04\x01" + PORT.to_bytes(2, "big") + bytes((127, 0, 0, 1)) + b"\0"
    with connected(gateway, user, "-D", f"127.0.0.1:{FORWARDED}"):
        assert b"SSH" not in answer(gateway, FORWARDED, socks)


@pytest.mark.parametrize("user", USERS)
def test_forwarding_to_a_unix_socket(gateway: SshGateway, user: str) -> None:
    with connected(gateway, user, "-L", f"127.0.0.1:{FORWARDED}:{gateway.snatd.socket}"):
        assert answer(gateway, FORWARDED, b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n") == b""


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("listens", ["port", "socket"])
def test_remote_forwarding(gateway: SshGateway, user: str, listens: str, tmp_path: Path) -> None:
    at = f"127.0.0.1:{FORWARDED}" if listens == "port" else f"/tmp/snatsh-{os.getpid()}-{user}.sock"
    with connected(
        gateway, user, "-o", "ExitOnForwardFailure=yes", "-R", f"{at}:127.0.0.1:{PORT}"
    ) as running:
        assert running.wait(10) != 0


@pytest.mark.parametrize("user", USERS)
def test_tunnel(gateway: SshGateway, user: str) -> None:
    with connected(gateway, user, "-o", "ExitOnForwardFailure=yes", "-w", "any:any") as running:
        assert running.wait(10) != 0


@pytest.mark.parametrize("user", USERS)
def test_agent_and_display(gateway: SshGateway, user: str) -> None:
    """sshd refuses both requests, and the session goes on without."""
    agent = ("ssh-agent", "-a", str(gateway.lab.folder / f"agent-{user}.sock"))
    command = [*agent, "env", "DISPLAY=localhost:9", *gateway.ssh_command(user, "-A", "-X", "-tt")]
    with subprocess.Popen(
        gateway.lab["gateway"].command(*command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as running:
        try:
            variables = session_variables(ACCOUNTS[user])
        finally:
            running.kill()
    assert b"SSH_TTY" in variables
    assert not {b"SSH_AUTH_SOCK", b"DISPLAY"} & variables


def session_variables(uid: int) -> set[bytes]:
    """Names of the variables that sshd gave to the session of a user."""
    deadline = time.monotonic() + 10
    while True:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                found = {line.partition(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0")}
                if process.stat().st_uid == uid and b"SSH_CONNECTION" in found:
                    return found
        assert time.monotonic() < deadline, "no session"
        time.sleep(0.05)


@pytest.mark.parametrize("user", ["vera", "forced"])
def test_variables_of_python(gateway: SshGateway, user: str) -> None:
    """A client sets what it likes; sshd passes nothing on."""
    options = ("-o", "SetEnv=PYTHONPATH=/nowhere PYTHONSTARTUP=/nowhere PYTHONVERBOSE=1")
    done = gateway.ssh(user, "show version", options=options)
    assert done.returncode == 0
    assert "import " not in done.stderr
