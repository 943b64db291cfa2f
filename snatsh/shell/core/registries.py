# SPDX-License-Identifier: Apache-2.0
"""Where the commands of each mode are declared."""

from __future__ import annotations

from snatsh.shell.core.command import Registry

OPERATIONAL = Registry()
"""What can be run from configuration mode too, with `run`."""

MOVES = Registry()
"""What enters and leaves modes, and so belongs to operational mode alone."""

CONFIGURE = Registry()
"""What edits the candidate, and moves about in it."""

GROUPS = {
    "clear": "Clear what is running",
    "clear system": "Clear what waits",
    "file": "Files kept here",
    "help": "How to get along here",
    "load": "Load a configuration",
    "monitor": "Watch what is running",
    "request": "Ask the system to do something",
    "request system": "Ask the system to do something",
    "request system commit": "The commit that waits to be confirmed",
    "request system configuration": "Configurations that are kept",
    "request system configuration rescue": "The configuration for when all else fails",
    "set": "Set something of this session",
    "set cli": "Set something of this session",
    "show": "Show what is running",
    "show cli": "Show this session",
    "show system": "Show the system",
    "show system rollback": "Show committed configurations",
    "start": "Start something",
    "test": "Try something out",
    "wildcard": "Statements by pattern",
    "replace": "Replace text in the candidate",
}
"""Help of words that only begin a command's name."""
