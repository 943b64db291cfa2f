# SPDX-License-Identifier: Apache-2.0
"""snatd in a node of a lab, with its own socket, state folder and pinned maps."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from snatsh.client import Client, ClientError
from snatsh.lab.namespaces import Lab, LabError

SNATD = str(Path(sys.executable).with_name("snatd"))
SNATSH = str(Path(sys.executable).with_name("snatsh"))
LOG_TAIL = 3000


class Snatd:
    """snatd in one node. Its files are kept across restarts, until the lab is removed."""

    def __init__(self, lab: Lab, node: str = "gateway") -> None:
        self.lab = lab
        self.node = node
        self.socket = lab.folder / f"{node}.sock"
        self.state = lab.folder / f"{node}-state"
        self.pins = lab.pins / node
        self.log = lab.folder / f"{node}-snatd.log"
        self.client = Client(self.socket)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *options: str) -> list[str]:
        """The command line that starts snatd, to run in the node."""
        places = ("--socket", str(self.socket), "--state", str(self.state), "--pins", str(self.pins))
        return [SNATD, *places, *options]

    def start(self, profile: Path | None = None, *options: str, seconds: float = 30) -> None:
        """Start snatd and wait until it answers. The profile is used only when there is no history."""
        given = ("--profile", str(profile)) if profile else ()
        process = self.launch(*given, *options)
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.client.version()
            except ClientError as error:
                if (status := process.poll()) is not None:
                    raise self._failed(f"snatd ended with status {status}") from None
                if time.monotonic() > deadline:
                    raise self._failed(f"snatd does not answer after {seconds:g} s: {error}") from None
                time.sleep(0.02)
            else:
                return

    def launch(self, *options: str) -> subprocess.Popen[bytes]:
        """Start snatd without waiting for it."""
        self.lab.pins.mkdir(exist_ok=True)
        self._process = self.lab.spawn(self.node, *self.command(*options), log=self.log.name)
        return self._process

    @property
    def pid(self) -> int:
        """Process id of the running snatd."""
        if self._process is None:
            raise LabError(f"{self.node}: snatd was not started")
        return self._process.pid

    def kill(self) -> None:
        """Kill snatd by SIGKILL, like a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float = 10) -> int:
        """Stop snatd; return its exit status."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._process.wait(seconds)

    def shell(
        self, *commands: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run commands of snatsh in order, up to the first that fails."""
        argv = [argument for command in commands for argument in ("-c", command)]
        environment = {"SNATSH_SOCKET": str(self.socket)}
        return self.lab[self.node].run(SNATSH, *argv, env=environment, check=check, timeout=timeout)

    def wait_flows(self, protocols: set[str], seconds: float = 15) -> None:
        """Wait until there is a flow with a reply for each of these protocols."""
        deadline = time.monotonic() + seconds
        while missing := protocols - self._answered_protocols():
            if time.monotonic() > deadline:
                names = ", ".join(sorted(missing))
                raise self._failed(f"no flow of {names} with a reply after {seconds:g} s of traffic")
            time.sleep(0.1)

    def _answered_protocols(self) -> set[str]:
        flows = self.client.flows(limit=10_000).flows
        return {flow.protocol for flow in flows if flow.packets_in}

    def _failed(self, what: str) -> LabError:
        log = self.log.read_text(errors="replace")[-LOG_TAIL:].strip()
        return LabError(f"{self.node}: {what}; its log:\n{log or '(empty)'}")
