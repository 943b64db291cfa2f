# SPDX-License-Identifier: Apache-2.0
"""Help of words that only begin the names of commands."""

from __future__ import annotations

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
