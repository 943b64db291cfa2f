# SPDX-License-Identifier: Apache-2.0
"""The operator's commands inside another console: everything operational, nothing that changes modes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from snatsh.client import Client
from snatsh.shell.core.answers import ShellError
from snatsh.shell.core.session import Session
from snatsh.shell.modes import EMBEDDED


class _Asking:
    """A terminal that can ask and nothing else."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        self.ask = ask

    def read_block(self, notice: str) -> str:
        raise ShellError("there is no terminal to read from here; run this in the shell")

    def released(self) -> AbstractContextManager[None]:
        raise ShellError("there is no terminal to give away here; run this in the shell")


def command_line(client: Client, ask: Callable[[str], str]) -> Session:
    """Return a session for one line at a time, with the shell's roles and audit. ask: answers questions."""
    return Session(client, _Asking(ask), EMBEDDED)
