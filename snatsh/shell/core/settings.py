# SPDX-License-Identifier: Apache-2.0
"""What `set cli` sets, and where this console is."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

_LONGEST_ORIGIN = 64


@dataclass
class Settings:
    """Of one session. None: as the terminal says. idle_minutes: 0 for no limit."""

    screen_width: int | None = None
    screen_length: int | None = None
    complete_on_space: bool = True
    idle_minutes: float = 0
    timestamp: bool = False

    @property
    def automated(self) -> bool:
        """Whether a program reads this: all of them ask for no pauses."""
        return self.screen_length == 0

    def size(self, terminal: tuple[int, int]) -> tuple[int, int]:
        """Columns and lines; 0 for without end."""
        columns, lines = terminal
        if self.screen_width is not None:
            columns = self.screen_width
        return columns, lines if self.screen_length is None else self.screen_length


def origin() -> str:
    """The address the operator comes from, empty on the box itself."""
    return os.environ.get("SSH_CONNECTION", "").partition(" ")[0][:_LONGEST_ORIGIN]


def terminal_name() -> str:
    """Such as pts/0; empty without a terminal."""
    try:
        return os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
    except (OSError, ValueError):
        return ""
