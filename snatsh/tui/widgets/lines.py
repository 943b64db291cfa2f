# SPDX-License-Identifier: Apache-2.0
"""A widget of plain lines that repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from snatsh.shell.render.text import printable_line
from snatsh.tui.context import console_of
from snatsh.tui.style import palette

Piece = tuple[str, str]
"""Text and the name of its style, see `palette.py`."""

Line = Sequence[Piece]


class Lines(Widget):
    """`draw` returns the lines for a size; call `redraw` after the data changed."""

    DEFAULT_CSS = "Lines { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: list[Line] = []
        self._width = 0

    def draw(self, width: int, height: int) -> Iterable[Line]:
        """Return the lines; those that do not fit are cut."""
        return ()

    def redraw(self) -> None:
        size = self.content_size
        if not (size.width and size.height):
            return
        drawn = self._drawn(size.width, size.height)[: size.height]
        lines: list[Line] = [fit(line, size.width) for line in drawn]
        lines += [[(" " * size.width, "plain")]] * (size.height - len(lines))
        before, self._shown = self._shown, lines
        if len(before) != len(lines) or self._width != size.width:
            self._width = size.width
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            if old != new:
                first, last = changed(old, new)
                self.refresh(Region(first, y, last - first, 1))

    def _drawn(self, width: int, height: int) -> list[Line]:
        try:
            return list(self.draw(width, height))
        except Exception as error:
            console_of(self.app).failed(self.id or type(self).__name__, error)
            return [[(f"! cannot be shown: {error}", "bad")]]

    def on_resize(self) -> None:
        self.redraw()

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._repaint, init=False)

    def _repaint(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if y >= len(self._shown):
            return Strip.blank(self.content_size.width, self.rich_style)
        theme = self.app.theme
        segments = [
            Segment(text, self.rich_style + palette.style(theme, name)) for text, name in self._shown[y]
        ]
        return Strip(segments, self._width)

    @property
    def text(self) -> str:
        """Return the text shown."""
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self._shown)


def fit(line: Line, width: int) -> list[Piece]:
    """Return the line with exactly that many cells, safe for a terminal."""
    fitted: list[Piece] = []
    left = width
    for text, name in line:
        shown = printable_line(text)
        cells = cell_len(shown)
        if cells > left > 1:
            fitted.append((set_cell_size(shown, left - 1) + "…", name))
            return fitted
        if cells >= left:
            fitted.append((set_cell_size(shown, left), name))
            return fitted
        if shown:
            fitted.append((shown, name))
            left -= cells
    if left:
        fitted.append((" " * left, "plain"))
    return fitted


def changed(old: Line, new: Line) -> tuple[int, int]:
    """Return the range of cells in which two lines of the same width differ."""
    before, after = _cells(old), _cells(new)
    if len(before) != len(after):  # wide characters: repaint the whole line
        return 0, sum(cell_len(text) for text, _ in new)
    differing = [at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    return (differing[0], differing[-1] + 1) if differing else (0, 0)


def _cells(line: Line) -> list[tuple[str, str]]:
    return [(character, name) for text, name in line for character in text]
