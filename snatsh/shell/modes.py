# SPDX-License-Identifier: Apache-2.0
"""Modes of the shell. Commands are imported when their grammar is first needed."""

from __future__ import annotations

from snatsh.shell.core.answers import Path
from snatsh.shell.core.grammar import State
from snatsh.shell.core.modes import Mode, Modes
from snatsh.shell.pipes import filters


def _operational(_edit: Path) -> State:
    from snatsh.shell.commands import operational_mode

    return operational_mode.grammar()


def _runnable(_edit: Path) -> State:
    from snatsh.shell.commands import operational_mode

    return operational_mode.runnable()


def _configuration(edit: Path) -> State:
    from snatsh.shell.commands import configuration_mode

    return configuration_mode.grammar(edit)


_CONFIGURATION = Mode(_configuration, "#", shows_path=True)

MODES = Modes(Mode(_operational, ">"), _CONFIGURATION, filters.grammar)
"""Modes of the shell."""

EMBEDDED = Modes(Mode(_runnable, ">"), _CONFIGURATION, filters.grammar)
"""Modes of the command line in the live view: no command changes the mode."""
