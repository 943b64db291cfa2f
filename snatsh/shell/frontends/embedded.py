# SPDX-License-Identifier: Apache-2.0
"""The operator's commands inside another console: everything operational, nothing that changes modes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from snatsh.client import Client
from snatsh.shell.core.answers import ShellError
from snatsh.shell.core.complete import Completion
from snatsh.shell.core.grammar import State
from snatsh.shell.core.outcome import Outcome
from snatsh.shell.core.registries import GROUPS, OPERATIONAL
from snatsh.shell.core.session import Session


class _Asking:
    """A terminal that can ask and nothing else."""

    def __init__(self, ask: Callable[[str], str]) -> None:
        self.ask = ask

    def read_block(self, notice: str) -> str:
        raise ShellError("there is no terminal to read from here; run this in the shell")

    def released(self) -> AbstractContextManager[None]:
        raise ShellError("there is no terminal to give away here; run this in the shell")


class CommandLine(Session):
    """One line at a time; the same grammar, roles and audit as the shell's. ask: answers questions."""

    def __init__(self, client: Client, ask: Callable[[str], str]) -> None:
        super().__init__(client, _Asking(ask))

    def grammar(self) -> State:
        super().grammar()  # imports the modules that declare commands
        return OPERATIONAL.state(GROUPS)


__all__ = ["CommandLine", "Completion", "Outcome"]
