# SPDX-License-Identifier: Apache-2.0
"""Every request of the API and every command of the shell by every role: let in, or refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from snatsh.daemon.roles import Role
from snatsh.daemon.route_table import ROUTES
from snatsh.shell.commands import operational_mode
from tests.e2e.harness import READS_ALL
from tests.e2e.shell import role_probe
from tests.e2e.ssh_gateway import ACCOUNTS, GROUPS, SshGateway

USERS = {"vera": Role.VIEW, "oscar": Role.OPERATOR, "alice": Role.ADMIN, "root": Role.ADMIN}

LINES = {
    Role.VIEW: (
        "set cli screen-width 80",
        "set cli screen-length 0",
        "set cli complete-on-space on",
        "set cli idle-timeout 0",
        "set cli timestamp off",
        "show cli",
        "show cli history",
        "help apropos flows",
        "ping 127.0.0.1 count 1",
        "traceroute 127.0.0.1",
        "monitor flows",
        "monitor pools",
        "monitor links",
        "monitor interfaces",
        "show flows",
        "show mappings",
        "show flows top talkers",
        "show subscribers",
        "show pools",
        "show rules",
        "show links",
        "show drops",
        "show interfaces",
        "show system commit",
        "show version",
        "show configuration",
        "show system configuration rescue",
        "show system rollback 0",
        "show profiles",
        "file list",
        "file show x",
        "file delete x",
        "show version | save x",
        "show system resources",
        "show system uptime",
        "show system users",
        "show system alarms",
        "show log messages",
        "show log",
        "cli",
        "monitor dashboard",
        "quit",
        "exit",
        "help",
    ),
    Role.OPERATOR: (
        "test packet source 192.168.40.9 destination 8.8.8.8",
        "ping 8.8.8.8 count 1 source 1.1.2.100",
        "traceroute 8.8.8.8 source 1.1.2.100",
        "clear flows all",
        "clear mappings all",
        "request link isp-a up",
        "request pool drain 1.1.2.100",
        "request pool restore 1.1.2.100",
        "show log audit",
        "monitor trace count 1 seconds 1",
    ),
    Role.ADMIN: (
        "configure",
        "start shell",
        "request system commit abort",
        "clear system commit",
        "request system configuration rescue save",
        "request system configuration rescue delete",
    ),
}
"""Lines by the least role that may run them. Each command of operational mode is here."""

CONFIGURING = (
    "set rules 5 pool a",
    "delete rules 10",
    "edit rules 5",
    "commit",
    "commit check",
    "commit and-quit",
    "rollback 0",
    "rollback rescue",
    "update",
    "load override profile single-isp",
    "load merge profile single-isp",
    "load factory-default",
    "deactivate rules 10",
    "protect rules 10",
    "annotate rules 10 text",
    "rename rules 10 to 11",
    "copy rules 10 to 11",
    "insert rules 20 before 10",
)
"""Lines of configuration mode, as a console would send them that pretends to be in it."""

HARMLESS = {"edit rules 5", "update"}
"""Lines that ask snatd for nothing: a path within the console, and an update without a private candidate."""


@pytest.fixture
def gateway(ssh_box: SshGateway) -> Iterator[SshGateway]:
    yield ssh_box
    ssh_box.reset()


def probed(gateway: SshGateway, user: str, asked: dict[str, list[object]]) -> dict[str, list[object]]:
    groups = [str(gid) for gid, members in GROUPS.values() if user in members.split(",")]
    supplementary = ("--groups", ",".join(groups)) if groups else ("--clear-groups",)
    who = (f"--reuid={ACCOUNTS[user]}", f"--regid={groups[0] if groups else 0}", *supplementary, *READS_ALL)
    done = gateway.lab["gateway"].run(
        "setpriv", *who, sys.executable, role_probe.__file__, str(gateway.snatd.socket),
        stdin=json.dumps(asked), timeout=120, env={"SNATSH_SOCKET": str(gateway.snatd.socket)},
    )  # fmt: skip
    found: dict[str, list[object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def target(path: str) -> str:
    """A path of a route with something in the place of its parameters."""
    for parameter, value in (("{name:.*}", "x"), ("{name}", "isp-a"), ("{number}", "0"), ("{kind}", "pool")):
        path = path.replace(parameter, value)
    return path


def test_each_command_has_a_role() -> None:
    lines = [line for of_role in LINES.values() for line in of_role]
    missing = [
        " ".join(command.words)
        for command in operational_mode.COMMANDS
        if not any(f"{line} ".startswith(" ".join(command.words) + " ") for line in lines)
    ]
    assert not missing


@pytest.mark.parametrize("user", USERS)
def test_requests_and_commands(gateway: SshGateway, user: str) -> None:
    role, configuration = USERS[user], gateway.snatd.client.configuration()
    targets = [(route.method, target(route.path)) for route in ROUTES]
    lines = [(line, needed) for needed, of_role in LINES.items() for line in of_role]
    found = probed(
        gateway,
        user,
        {
            "requests": list(targets),
            "lines": [line for line, _ in lines],
            "configuring": [] if role == Role.ADMIN else list(CONFIGURING),
        },
    )
    for route, status in zip(ROUTES, found["requests"], strict=True):
        assert (status == 403) == (role < route.role), f"{user}: {route.method} {route.path}: {status}"
        assert status != 500, f"{user}: {route.method} {route.path}"
    for (line, needed), refused in zip(lines, found["lines"], strict=True):
        assert refused == (role < needed), f"{user}: {line}"
    if role < Role.ADMIN:
        let_in = {
            line for line, refused in zip(CONFIGURING, found["configuring"], strict=True) if not refused
        }
        assert let_in <= HARMLESS
        assert gateway.snatd.client.configuration() == configuration
        assert not gateway.snatd.client.candidate().changed
