# SPDX-License-Identifier: Apache-2.0
"""Operational mode: all its commands, listed by module."""

from __future__ import annotations

from snatsh.shell.commands import cli, diagnostics, monitor, operational, requests, system, trace
from snatsh.shell.commands.groups import GROUPS
from snatsh.shell.core.command import start_of_line
from snatsh.shell.core.grammar import State

RUNNABLE = (
    *cli.OPERATIONAL,
    *diagnostics.OPERATIONAL,
    *monitor.OPERATIONAL,
    *operational.OPERATIONAL,
    *requests.OPERATIONAL,
    *system.OPERATIONAL,
    *trace.OPERATIONAL,
)
"""What `run` takes in configuration mode, and the live view after `:`."""

COMMANDS = (
    *RUNNABLE,
    *cli.OPERATIONAL_ONLY,
    *monitor.OPERATIONAL_ONLY,
    *operational.OPERATIONAL_ONLY,
)


def grammar() -> State:
    """Return the state at the start of a line."""
    return start_of_line(COMMANDS, GROUPS)


def runnable() -> State:
    """Return the same for lines that stay in their mode."""
    return start_of_line(RUNNABLE, GROUPS)
