# SPDX-License-Identifier: Apache-2.0
"""Help of words that start the names of several commands."""

from __future__ import annotations

GROUPS = {
    "clear": "Clear runtime state",
    "clear system": "Clear system state",
    "file": "Manage files",
    "help": "Show help on the CLI",
    "load": "Load a configuration",
    "monitor": "Show real-time information",
    "request": "Make system-level requests",
    "request system": "Perform system-level operations",
    "request system commit": "Manage the pending confirmed commit",
    "request system configuration": "Manage saved configurations",
    "request system configuration rescue": "Manage the rescue configuration",
    "set": "Set CLI properties",
    "set cli": "Set CLI properties",
    "show": "Show system information",
    "show cli": "Show settings of the CLI",
    "show system": "Show system state",
    "show system rollback": "Show committed configurations",
    "start": "Start a Unix shell",
    "test": "Run diagnostic tests",
    "wildcard": "Act on statements by pattern",
    "replace": "Replace text in the candidate",
}
