# SPDX-License-Identifier: Apache-2.0
"""Modes of a session: grammar and prompt of each, and the pipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from snatsh.shell.core.answers import Path
from snatsh.shell.core.grammar import PipeGrammar, State


@dataclass(frozen=True, slots=True)
class Mode:
    """grammar: the state at the start of a line for an edit path. sign: end of the prompt.

    shows_path: whether a banner above the prompt shows the edit path.
    """

    grammar: Callable[[Path], State]
    sign: str
    shows_path: bool = False

    def banner(self, edit: Path) -> str:
        return f"[edit{''.join(f' {word}' for word in edit)}]" if self.shows_path else ""


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes and pipes of a session."""

    operational: Mode
    configuration: Mode
    pipes: PipeGrammar
