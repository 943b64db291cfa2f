# SPDX-License-Identifier: Apache-2.0
"""What a structured text says and in which line: the same for YAML and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import Path, Problem, ProfileError


@dataclass(frozen=True, slots=True)
class LocatedText:
    """content: dicts, lists, text and None; lines: where each of them stands."""

    content: Any
    lines: dict[Path, int]

    def document(self, under: Sequence[str] = ()) -> Document:
        """The document, all of it below a path. ProfileError with every problem and its line."""
        held = self.content
        for name in reversed(under):
            held = {name: held}
        try:
            return validate_shape(held)
        except ProfileError as error:
            problems = [replace(problem, line=self._line_of(problem)) for problem in error.problems]
            raise ProfileError(problems) from None

    def _line_of(self, problem: Problem) -> int:
        """The line of the offending name or value, or of the closest thing around it."""
        path = (*problem.path, problem.value)
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)
