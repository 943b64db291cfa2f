# SPDX-License-Identifier: Apache-2.0
"""Output as it passes through pipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from snatsh.shell.core.answers import Answer, ShellError
from snatsh.shell.render.text import printable


@dataclass(frozen=True, slots=True)
class Product:
    """A result, or its text after the first pipe that works on text. refresh, kind: see Outcome."""

    answer: Answer | None
    body: str = ""
    paged: bool = True
    held: bool = False
    refresh: int = 0
    kind: str = ""

    @property
    def text(self) -> str:
        """Text for the terminal, escaped, so that pipes count and match what is shown."""
        return printable(self.body if self.answer is None else self.answer.text())

    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1] if self.text.endswith("\n") else self.text.split("\n")

    def of_lines(self, lines: list[str]) -> Product:
        return self.of_text("".join(f"{line}\n" for line in lines))

    def of_text(self, text: str) -> Product:
        return replace(self, answer=None, body=text)

    def whole_answer(self, pipe: str) -> Answer:
        if self.answer is None:
            raise ShellError(f"{pipe}: must precede pipes that work on text")
        return self.answer
