# SPDX-License-Identifier: Apache-2.0
"""Terminals that the shell runs on: a plain pseudo terminal, and tmux."""

from __future__ import annotations

import os
import subprocess
import time
from itertools import count

import pexpect

from snatsh.lab.gateway import SNATSH
from tests.e2e.harness import Gateway

STARTS = "root@"
_NUMBERS = count()


def environment(gateway: Gateway, **more: str) -> dict[str, str]:
    home = gateway.lab.folder / "home"
    return {**os.environ, "SNATSH_SOCKET": str(gateway.snatd.socket), "XDG_STATE_HOME": str(home), **more}


class Terminal:
    """A session on a pseudo terminal of a kind."""

    def __init__(self, gateway: Gateway, term: str) -> None:
        self.child = pexpect.spawn(
            SNATSH, env=environment(gateway, TERM=term), encoding="utf-8", timeout=30, dimensions=(40, 120)
        )
        self.child.delaybeforesend = None
        self.seen = ""
        self.expect(rf"{STARTS}\S*> $")

    def expect(self, pattern: str) -> str:
        """Wait for a pattern; what came before and with it."""
        self.child.expect(pattern)
        text = str(self.child.before) + str(self.child.after)
        self.seen += text
        return text

    def run(self, line: str) -> str:
        """Enter a line and wait for the next prompt; all that was written."""
        self.child.send(line + "\r")
        return self.expect(rf"\r\n{STARTS}\S*[>#] $")

    def press(self, keys: str, pattern: str) -> str:
        """Send keys and wait for a pattern."""
        self.child.send(keys)
        return self.expect(pattern)

    def close(self) -> int:
        self.child.expect(pexpect.EOF)
        self.child.close()
        return int(self.child.exitstatus)


class Tmux:
    """A session in a real terminal emulator; `screen` is what a person sees."""

    def __init__(self, gateway: Gateway, poll: float = 0.05, **more: str) -> None:
        self._poll = poll
        self._base = [
            "tmux",
            "-S",
            str(gateway.lab.folder / f"tmux-{next(_NUMBERS)}.sock"),
            "-f",
            "/dev/null",
        ]
        self._run("new-session", "-d", "-x", "100", "-y", "40", SNATSH, env=environment(gateway, **more))
        self.wait(f"{STARTS}")

    def _run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run([*self._base, *arguments], env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def screen(self, *options: str) -> str:
        return self._run("capture-pane", "-p", *options)

    def paste(self, text: str) -> None:
        """As a terminal pastes: in brackets, where the program asked for them."""
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p")

    def type(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def wait(self, text: str, seconds: float = 30) -> str:
        """Until the text is on the screen; the screen."""
        deadline = time.monotonic() + seconds
        while text not in (screen := self.screen()):
            assert time.monotonic() < deadline, f"{text!r} never came up on:\n{screen}"
            time.sleep(self._poll)
        return screen

    def gone(self, seconds: float = 30) -> None:
        """Until the session has ended, and the terminal with it."""
        deadline = time.monotonic() + seconds
        while subprocess.run([*self._base, "has-session"], capture_output=True, check=False).returncode == 0:
            assert time.monotonic() < deadline, self.screen()
            time.sleep(self._poll)

    def close(self) -> None:
        subprocess.run([*self._base, "kill-server"], check=False, capture_output=True)
