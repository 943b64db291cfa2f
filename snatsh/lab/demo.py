# SPDX-License-Identifier: Apache-2.0
"""The demo of `make run`: the lab network, snatd in its gateway, real traffic, and the console."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from snatsh import resources
from snatsh.interpreter import run_module
from snatsh.lab import services
from snatsh.lab.gateway import SNATSH, Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import demo
from snatsh.model.errors import SnatshError

PROFILE = Path(str(resources.folder("profiles") / "multi-isp.yaml"))
TRAFFIC = {"client-a": ("8.8.8.8", "203.0.113.9"), "client-b": ("1.0.0.1", "203.0.113.9")}
PROTOCOLS = {"tcp", "udp", "icmp"}
WELCOME = """\
client-a 192.168.40.9  --.                  .-- isp-a 1.1.2.1 --.
                          +-- this gateway --+                    +-- server: the internet
client-b 192.168.40.10 --'   192.168.40.1   '-- isp-b 1.1.3.1 --'
TCP, UDP and ping traffic is running. Try `show flows`, `show pools`,
`configure` and `monitor dashboard`; `exit` removes the demo.
"""


def run(profile: Path, command: str | None) -> int:
    """Build the lab, run the console or one command, remove the lab; return the exit status."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(demo()))
        stack.callback(_ignore_signals)  # the removal must not be interrupted
        services.start(lab)
        snatd = Snatd(lab)
        snatd.start(profile)
        for client, targets in TRAFFIC.items():
            lab.spawn(client, *run_module("snatsh.lab.traffic", *targets), log=f"{client}.log")
        snatd.wait_flows(PROTOCOLS)
        if command is None:
            print(WELCOME, flush=True)
        return _console(snatd, command)


def _console(snatd: Snatd, command: str | None) -> int:
    argv = [SNATSH] if command is None else [SNATSH, "-c", command]
    environment = {**os.environ, "SNATSH_SOCKET": str(snatd.socket)}
    with _terminal_restored(), _interrupts_left_to_the_console(command is None):
        status = subprocess.run(snatd.lab[snatd.node].command(*argv), env=environment, check=False).returncode
    return status if status >= 0 else 128 - status


@contextmanager
def _terminal_restored() -> Iterator[None]:
    """Restore the terminal, which a killed console leaves in raw mode."""
    if not sys.stdin.isatty():
        yield
        return
    attributes = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, attributes)


@contextmanager
def _interrupts_left_to_the_console(interactive: bool) -> Iterator[None]:
    """Leave Ctrl-C to the console: at a prompt it cancels the line, not the demo."""
    if not interactive:
        yield
        return
    # A function, since the console would inherit SIG_IGN.
    before = signal.signal(signal.SIGINT, _do_nothing)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--command", help="run one command, print only its output, and remove the demo")
    parser.add_argument("--profile", type=Path, default=PROFILE, help="profile that the gateway starts with")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _end)
    if os.geteuid() != 0:
        print("make run: network namespaces need root; expected to be run by root", file=sys.stderr)
        return 1
    try:
        return run(options.profile, options.command)
    except SnatshError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
