# SPDX-License-Identifier: Apache-2.0
"""What a session understands: the grammar and the prompt of each mode, and the pipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from snatsh.shell.core.answers import Path
from snatsh.shell.core.grammar import PipeGrammar, State


@dataclass(frozen=True, slots=True)
class Mode:
    """grammar: the state at the start of a line, seen from the edit path. sign: how the prompt ends.

    shows_path: whether a banner with the edit path stands above the prompt.
    """

    grammar: Callable[[Path], State]
    sign: str
    shows_path: bool = False

    def banner(self, edit: Path) -> str:
        return f"[edit{''.join(f' {word}' for word in edit)}]" if self.shows_path else ""


@dataclass(frozen=True, slots=True)
class Modes:
    """All that a session is given to understand."""

    operational: Mode
    configuration: Mode
    pipes: PipeGrammar
