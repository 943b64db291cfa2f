# SPDX-License-Identifier: Apache-2.0
"""The input line at the bottom: a filter after `/`, a command after `:`."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.message import Message
from textual.widgets import Input


class Prompt(Input):
    """An input line, hidden until opened. Tab and `?` complete and explain commands."""

    DEFAULT_CSS = """
    Prompt { height: 1; border: none; padding: 0; background: $panel; }
    Prompt:focus { border: none; }
    """

    class Entered(Message):
        def __init__(self, kind: str, text: str) -> None:
            super().__init__()
            self.kind = kind
            self.text = text

    class Asked(Message):
        """Tab or `?` was pressed."""

        def __init__(self, text: str, *, complete: bool) -> None:
            super().__init__()
            self.text = text
            self.complete = complete

    def __init__(self) -> None:
        super().__init__(id="prompt", select_on_focus=False, compact=True)
        self.can_focus = self.display = False
        self.kind = ""
        self._lines: list[str] = []
        self._at = 0
        self._when_closed: Callable[[], None] | None = None

    def open(self, kind: str, text: str, hint: str, closed: Callable[[], None]) -> None:
        """Open the line. kind: `/` or `:`. closed: called when it is closed."""
        self.kind, self._when_closed = kind, closed
        self.placeholder = hint
        self.value = text
        self.cursor_position = len(text)
        # At once: the next key may have arrived.
        self.can_focus = self.display = True
        self._at = len(self._lines)
        self.screen.set_focus(self)

    def close(self) -> None:
        self.can_focus = self.display = False
        if self._when_closed is not None:
            self._when_closed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = self.value
        if self.kind == ":" and text.strip():
            self._lines.append(text)
        self.close()
        self.post_message(self.Entered(self.kind, text))

    async def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self.close()
        elif self.kind == ":" and event.key in ("tab", "question_mark"):
            event.stop()
            event.prevent_default()
            before = self.value[: self.cursor_position]
            self.post_message(self.Asked(before, complete=event.key == "tab"))
        elif self.kind == ":" and event.key in ("up", "down"):
            event.stop()
            event.prevent_default()
            self._recall(-1 if event.key == "up" else 1)

    def _recall(self, step: int) -> None:
        self._at = max(0, min(len(self._lines), self._at + step))
        self.value = self._lines[self._at] if self._at < len(self._lines) else ""
        self.cursor_position = len(self.value)
