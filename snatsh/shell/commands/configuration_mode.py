# SPDX-License-Identifier: Apache-2.0
"""Configuration mode: all its commands, listed by module."""

from __future__ import annotations

from snatsh.shell.commands import (
    commit,
    configuration,
    importing,
    loading,
    marking,
    operational_mode,
    restructure,
)
from snatsh.shell.commands.groups import GROUPS
from snatsh.shell.core.command import Command, start_of_line
from snatsh.shell.core.grammar import State
from snatsh.shell.core.statements import Words

_COMMANDS = (
    *commit.CONFIGURE,
    *configuration.CONFIGURE,
    *loading.CONFIGURE,
    *restructure.CONFIGURE,
)


def commands(edit: Words) -> list[Command]:
    """Return all of them, with grammars as seen from the edit path."""
    return [
        *_COMMANDS,
        *importing.commands(),
        *configuration.commands(edit, start=lambda: grammar(()), run=operational_mode.runnable),
        *restructure.commands(edit),
        *marking.commands(edit),
    ]


def grammar(edit: Words) -> State:
    """Return the state at the start of a line at an edit path."""
    return start_of_line(commands(edit), GROUPS)
