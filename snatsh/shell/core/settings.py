# SPDX-License-Identifier: Apache-2.0
"""Settings of `set cli`, and the origin of the session."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

_LONGEST_ORIGIN = 64


@dataclass
class Settings:
    """Settings of a session. None: from the terminal. idle_minutes: 0 for no limit."""

    screen_width: int | None = None
    screen_length: int | None = None
    complete_on_space: bool = True
    idle_minutes: float = 0
    timestamp: bool = False

    @property
    def automated(self) -> bool:
        """Whether a program is at the other end; all of them disable paging."""
        return self.screen_length == 0

    def size(self, terminal: tuple[int, int]) -> tuple[int, int]:
        """Return columns and lines; 0 for unlimited."""
        columns, lines = terminal
        if self.screen_width is not None:
            columns = self.screen_width
        return columns, lines if self.screen_length is None else self.screen_length


def origin() -> str:
    """Return the address the operator connects from, empty if local."""
    return os.environ.get("SSH_CONNECTION", "").partition(" ")[0][:_LONGEST_ORIGIN]


def terminal_name() -> str:
    """Return the terminal, such as pts/0; empty without one."""
    try:
        return os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
    except (OSError, ValueError):
        return ""
