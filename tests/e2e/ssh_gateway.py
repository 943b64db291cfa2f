# SPDX-License-Identifier: Apache-2.0
"""A gateway that operators reach by real OpenSSH, with an account for each role.

Accounts and groups are files in the lab's folder, seen as /etc/passwd and so on by snatd and sshd alone: both
run in a private mount namespace, which has a private /run as well, with the folder that sshd insists on.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab
from tests.e2e.harness import Gateway, running_gateway

PORT = 2222
ACCOUNTS = {"root": 0, "alice": 4001, "oscar": 4002, "vera": 4003, "nobodys": 4004, "forced": 4005}
GROUPS = {"snatsh": (4100, "alice,oscar,vera,forced"), "snatsh-operator": (4101, "oscar"),
          "snatsh-admin": (4102, "alice,forced")}  # fmt: skip


FILES = ("passwd", "shadow", "group", "shells")


ACCESS_PAGE = Path(__file__).parents[2] / "docs" / "access.md"


def documented_match() -> str:
    """The block for sshd_config in docs/access.md; the forced command is for one account alone."""
    block = ACCESS_PAGE.read_text().partition("```\nMatch Group snatsh\n")[2].partition("```")[0]
    lines = [line for line in block.splitlines() if "ForceCommand" not in line]
    return "\n".join(["Match Group snatsh", *lines, ""])


class Accounts:
    """The files, and the command line that has them in the place of the box's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "etc"
        self.folder.mkdir()
        (self.folder / "run").mkdir()
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / "host_key"], check=True
        )
        shells = {"forced": "/bin/bash"}
        self._write(
            "passwd",
            [f"{name}:x:{uid}:{uid}:{name}:/tmp:{shells.get(name, SNATSH)}" for name, uid in ACCOUNTS.items()]
            + ["sshd:x:110:65534::/run/sshd:/usr/sbin/nologin", "nobody:x:65534:65534:nobody:/:/bin/false"],
        )
        self._write("shadow", [f"{name}:*:19000:0:99999:7:::" for name in (*ACCOUNTS, "sshd")])
        self._write(
            "group",
            [f"{name}:x:{uid}:" for name, uid in ACCOUNTS.items()]
            + [f"{name}:x:{gid}:{members}" for name, (gid, members) in GROUPS.items()]
            + ["tty:x:5:", "nogroup:x:65534:"],
        )
        self._write("shells", [SNATSH, "/bin/bash"])

    def _write(self, name: str, lines: Sequence[str]) -> None:
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def command(self, *argv: str) -> list[str]:
        labs, run = self.folder.parents[1], self.folder / "run"
        binds = " && ".join(
            [
                *(f"mount --bind {self.folder / name} /etc/{name}" for name in FILES),
                f"mount -t tmpfs -o mode=755 run {run}",
                f"mkdir -p {run}/sshd {run}/{labs.relative_to('/run')}",
                f"mount --bind {labs} {run}/{labs.relative_to('/run')}",
                f"mount -n --move {run} /run",
            ]
        )
        return [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            f'{binds} && exec "$@"',
            "sh",
            *argv,
        ]


class SshSnatd(Snatd):
    def __init__(self, lab: Lab, accounts: Accounts) -> None:
        super().__init__(lab)
        self._accounts = accounts

    def command(self, *options: str) -> list[str]:
        return self._accounts.command(*super().command(*options))


class SshGateway(Gateway):
    """alice is an admin, oscar an operator, vera may look, nobodys may not; forced has a ForceCommand."""

    def __init__(self, lab: Lab, hook: str) -> None:
        super().__init__(lab, hook)
        self.accounts = Accounts(lab.folder)
        self.snatd = SshSnatd(lab, self.accounts)
        self.key = self.accounts.key

    def start(self) -> None:
        super().start()
        folder = self.accounts.folder
        (folder / "sshd_config").write_text(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.key}.pub\nStrictModes no\nPermitRootLogin yes\n"
            f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\nUseDNS no\n"
            f"SetEnv SNATSH_SOCKET={self.snatd.socket}\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
            f"{documented_match()}Match User forced\n  ForceCommand {SNATSH}\n"
        )
        sshd = self.accounts.command("/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config"))
        self.lab.spawn("gateway", *sshd, log="sshd.log")
        deadline = time.monotonic() + 10
        with self.lab["gateway"].entered():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", PORT), 1).close()
                    return
                except OSError:
                    assert time.monotonic() < deadline, (self.lab.folder / "sshd.log").read_text()
                    time.sleep(0.05)

    def ssh_command(self, user: str, *options: str) -> list[str]:
        """To be run in the gateway's namespace; the operator's own command follows."""
        known = (
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        )
        return ["ssh", "-F", "/dev/null", *known, "-i", str(self.key), "-p", str(PORT), *options,
                f"{user}@127.0.0.1"]  # fmt: skip

    def ssh(
        self, user: str, *words: str, stdin: str | None = None, options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """One command over SSH."""
        node = self.lab["gateway"]
        return node.run(*self.ssh_command(user, *options), *words, check=False, stdin=stdin)

    def audit(self) -> list[dict[str, Any]]:
        lines = (self.snatd.state / "audit.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


@contextmanager
def ssh_gateway() -> Iterator[SshGateway]:
    with running_gateway("tc", SshGateway) as gateway:
        assert isinstance(gateway, SshGateway)
        gateway.key.chmod(0o600)
        yield gateway
