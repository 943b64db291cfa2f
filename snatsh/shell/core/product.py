# SPDX-License-Identifier: Apache-2.0
"""What flows through pipes on its way to the screen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from snatsh.shell.core.answers import Answer, ShellError
from snatsh.shell.render.text import printable


@dataclass(frozen=True, slots=True)
class Product:
    """What flows through the pipes: an answer, until the first pipe that wants text.

    refresh: seconds after which the command is to run again, 0 for never. kind: see Outcome.
    """

    answer: Answer | None
    body: str = ""
    paged: bool = True
    held: bool = False
    refresh: int = 0
    kind: str = ""

    @property
    def text(self) -> str:
        """Ready for a terminal. Escaped before lines are counted or matched: what counts is what is seen."""
        return printable(self.body if self.answer is None else self.answer.text())

    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1] if self.text.endswith("\n") else self.text.split("\n")

    def of_lines(self, lines: list[str]) -> Product:
        return self.of_text("".join(f"{line}\n" for line in lines))

    def of_text(self, text: str) -> Product:
        return replace(self, answer=None, body=text)

    def whole_answer(self, pipe: str) -> Answer:
        if self.answer is None:
            raise ShellError(f"{pipe}: the answer is only text by now; put {pipe} before the other pipes")
        return self.answer
