# SPDX-License-Identifier: Apache-2.0
"""Dialogs: questions, input and text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from snatsh.tui.widgets.lines import Line, Lines


class Question(ModalScreen[bool]):
    """A yes/no question; only `y` means yes."""

    BINDINGS = [
        Binding("y", "answer(True)", "Yes", id="question.yes"),
        Binding("n,escape,enter,q", "answer(False)", "No", id="question.no"),
    ]
    DEFAULT_CSS = """
    Question { align: center middle; }
    Question > Vertical { width: auto; max-width: 90%; height: auto; border: heavy $warning;
        background: $panel; padding: 1 2; }
    Question Static { width: auto; max-width: 100%; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self.question, markup=False)
            yield Static("\ny yes   n no (default)", markup=False)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class Ask(ModalScreen[str | None]):
    """A line of input; None when cancelled."""

    BINDINGS = [Binding("escape", "leave", "Leave", id="ask.leave")]
    DEFAULT_CSS = """
    Ask { align: center middle; }
    Ask > Vertical { width: 60; max-width: 90%; height: auto; border: heavy $primary; background: $panel;
        padding: 1 2; }
    """

    def __init__(self, question: str, default: str = "") -> None:
        super().__init__()
        self.question, self.default = question, default

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self.question, markup=False)
            yield Input(self.default, select_on_focus=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        self.dismiss(None)


class _Text(Lines, can_focus=True):
    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__()
        self.lines = lines
        self.top = 0

    def draw(self, width: int, height: int) -> Iterable[Line]:
        return self._folded(width)[self.top :]

    def go(self, top: int) -> None:
        size = self.content_size
        self.top = max(0, min(top, len(self._folded(size.width)) - size.height))
        self.redraw()

    def to_end(self) -> None:
        self.go(len(self._folded(self.content_size.width)))

    def on_mouse_scroll_down(self) -> None:
        self.go(self.top + 3)

    def on_mouse_scroll_up(self) -> None:
        self.go(self.top - 3)

    def _folded(self, width: int) -> list[Line]:
        """Fold long lines of a single style."""
        folded: list[Line] = []
        for line in self.lines:
            text, name = line[0] if len(line) == 1 else ("", "")
            parts = [text[at : at + width] for at in range(0, len(text), width)]
            folded += [[(part, name)] for part in parts] if len(parts) > 1 else [line]
        return folded


class TextView(ModalScreen[None]):
    """A text with scrolling."""

    BINDINGS = [
        Binding("escape,q,enter", "leave", "Close", id="text.close"),
        Binding("up,k", "go(-1)", "Up", show=False, id="text.up"),
        Binding("down,j", "go(1)", "Down", show=False, id="text.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="text.page-up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="text.page-down"),
        Binding("home", "edge(0)", "Start", show=False, id="text.first"),
        Binding("end", "edge(1)", "End", show=False, id="text.last"),
    ]
    DEFAULT_CSS = """
    TextView { align: center middle; }
    TextView > Vertical { width: 100%; height: 100%; max-width: 140; border: round $primary;
        background: $surface; padding: 0 1; }
    """

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__()
        self.title_text = title
        self.view = _Text(lines)

    def compose(self) -> ComposeResult:
        with Vertical() as frame:
            frame.border_title = self.title_text
            frame.border_subtitle = "Esc closes"
            yield self.view

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_go(self, step: int) -> None:
        self.view.go(self.view.top + step)

    def action_page(self, pages: int) -> None:
        self.view.go(self.view.top + pages * max(1, self.view.content_size.height - 1))

    def action_edge(self, end: int) -> None:
        self.view.to_end() if end else self.view.go(0)


def plain_lines(text: str) -> list[Line]:
    return [[(line.expandtabs(), "plain")] for line in text.splitlines()]


def diff_lines(text: str) -> list[Line]:
    """Colour a comparison by its signs."""
    names = {"+": "added", "-": "gone", "[": "title"}
    return [[(line, names.get(line[:1], "plain"))] for line in text.splitlines()]
