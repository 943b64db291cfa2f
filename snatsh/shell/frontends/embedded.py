# SPDX-License-Identifier: Apache-2.0
"""Front end inside the live view: operational commands only."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from snatsh.client import Client
from snatsh.shell.core.answers import ShellError
from snatsh.shell.core.session import Session
from snatsh.shell.modes import EMBEDDED


class _Asking:
    """A terminal that only asks questions."""

    attended = True

    def __init__(self, ask: Callable[[str], str], confirm: Callable[[str], bool]) -> None:
        self.ask = ask
        self._confirm = confirm

    def confirm(self, question: str, default: bool) -> bool:
        return self._confirm(question)

    def read_block(self, notice: str) -> str:
        raise ShellError("requires a terminal; run this command in the shell")

    def released(self) -> AbstractContextManager[None]:
        raise ShellError("requires a terminal; run this command in the shell")


def command_line(client: Client, ask: Callable[[str], str], confirm: Callable[[str], bool]) -> Session:
    """Return a session for one line at a time. ask, confirm: put a question to the operator."""
    return Session(client, _Asking(ask, confirm), EMBEDDED)
