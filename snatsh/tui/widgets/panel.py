# SPDX-License-Identifier: Apache-2.0
"""A titled frame around lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from snatsh.tui.widgets.lines import Line, Lines

Draw = Callable[[int, int], Iterable[Line]]


class Panel(Lines):
    """draw: returns the lines for a width and height."""

    DEFAULT_CSS = """
    Panel { border: round $foreground 35%; border-title-color: $primary; border-title-style: bold;
        padding: 0 1; }
    """

    def __init__(self, title: str, draw: Draw, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = title
        self._draw = draw

    def draw(self, width: int, height: int) -> Iterable[Line]:
        return self._draw(width, height)
