# SPDX-License-Identifier: Apache-2.0
"""Rich front end on prompt_toolkit: menus, history, Ctrl-R, `?` without Enter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from prompt_toolkit import PromptSession, prompt
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, completion_is_selected, has_completions, is_searching
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.search import accept_search

from snatsh.shell.core.complete import help_text
from snatsh.shell.core.lexer import lex
from snatsh.shell.core.outcome import LineTerminal
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.highlight import STYLE, Colours
from snatsh.shell.frontends.loop import Idle
from snatsh.shell.render.paint import paint
from snatsh.shell.render.text import printable, printable_line

_NEWS_SECONDS = 2


class RichFront(LineTerminal):
    """A front end that holds the terminal only while a line is edited."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self._prompting: PromptSession[str] | None = None

    def read_line(self, prompt: str) -> str:
        assert self.session is not None
        if self._prompting is None:
            self._prompting = _prompt_session(self.session)
        session = self.session

        def watch() -> None:
            self._watch_idle()
            _watch_news(session)

        return self._prompting.prompt(prompt, pre_run=watch)

    def _watch_idle(self) -> None:
        if self._idle_minutes:
            _leave_when_idle(self._idle_minutes)

    @property
    def _idle_minutes(self) -> float:
        return self.session.settings.idle_minutes if self.session else 0

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def show(self, text: str, kind: str) -> None:
        self.write(text if os.environ.get("NO_COLOR") else paint(text, kind))

    def size(self) -> tuple[int, int]:
        try:
            columns, lines = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return 0, 0
        return columns, lines

    def read_key(self) -> str:
        reading = sys.stdin.fileno()
        cooked = termios.tcgetattr(reading)
        try:
            tty.setcbreak(reading)
            if not select.select([reading], [], [], 60 * self._idle_minutes or None)[0]:
                raise Idle
            return os.read(reading, 1).decode("ascii", "replace")
        finally:
            termios.tcsetattr(reading, termios.TCSADRAIN, cooked)

    def wait_key(self, seconds: float) -> bool:
        reading = sys.stdin.fileno()
        cooked = termios.tcgetattr(reading)
        try:
            tty.setcbreak(reading)
            if not select.select([reading], [], [], seconds)[0]:
                return False
            os.read(reading, 1024)
            return True
        finally:
            termios.tcsetattr(reading, termios.TCSADRAIN, cooked)

    def ask(self, question: str) -> str:
        try:
            return prompt(question, pre_run=self._watch_idle)
        except EOFError:
            return ""

    def read_block(self, notice: str) -> str:
        """Read from the terminal in line mode, without prompt_toolkit, which suits any paste."""
        self.write(f"{notice}\n")
        parts = []
        while part := os.read(sys.stdin.fileno(), 65536):
            parts.append(part)
        return b"".join(parts).decode("utf-8", "replace")

    def released(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()


def _leave_when_idle(minutes: float) -> None:
    """Close the session when the line has not changed for the idle timeout."""
    app = get_app()

    async def watch() -> None:
        seen = None
        while seen != app.current_buffer.document:
            seen = app.current_buffer.document
            await asyncio.sleep(60 * minutes)
        app.exit(exception=Idle)

    app.create_background_task(watch())


def _watch_news(session: Session) -> None:
    """Show notices above the line as they arrive."""

    async def watch() -> None:
        while True:
            await asyncio.sleep(_NEWS_SECONDS)
            if notices := await asyncio.to_thread(session.news):
                await run_in_terminal(partial(print, notices, end=""))

    get_app().create_background_task(watch())


def _prompt_session(session: Session) -> PromptSession[str]:
    prompting: PromptSession[str] = PromptSession(
        history=_history(),
        completer=_Completer(session),
        lexer=Colours(session),
        style=STYLE,
        complete_while_typing=False,
        key_bindings=_key_bindings(session),
        color_depth=ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None,
    )
    # Terminals without cursor position reports work as well; suppress the warning.
    prompting.app.renderer.cpr_not_supported_callback = lambda: None
    return prompting


def _history() -> History:
    """Return the history of the user, in memory if it cannot be stored."""
    try:
        state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "snatsh"
        file = state / "history"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except (OSError, RuntimeError):
        return InMemoryHistory()
    return _KeptHistory(file)


class _KeptHistory(FileHistory):
    """A history file; a full disk does not end the session."""

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)


class _Completer(Completer):
    """Completions of the grammar for prompt_toolkit."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        completion = self._session.complete(text)
        for candidate in completion.candidates:
            if candidate.word:
                yield Completion(
                    printable_line(candidate.word),
                    start_position=completion.start - len(text),
                    display=printable_line(candidate.shown),
                    display_meta=printable_line(candidate.help),
                )


def _key_bindings(session: Session) -> KeyBindings:
    bindings = KeyBindings()

    def explain(event: KeyPressEvent, text: str, typed: str) -> None:
        """Show text between the present line and its repetition."""
        shown = session.prompt().text + event.current_buffer.document.text_before_cursor + typed
        run_in_terminal(lambda: print(shown + "\n" + text, end=""))

    @Condition
    def outside_quotes() -> bool:
        from prompt_toolkit.application.current import get_app

        return lex(get_app().current_buffer.document.text_before_cursor).open_quote is None

    @bindings.add("?", filter=outside_quotes)
    def _(event: KeyPressEvent) -> None:
        explain(event, session.help(event.current_buffer.document.text_before_cursor), "?")

    @bindings.add(" ")
    def _(event: KeyPressEvent) -> None:
        """Complete the keyword before the cursor."""
        buffer = event.current_buffer
        at_end = buffer.document.is_cursor_at_the_end
        rest = session.on_space(buffer.document.text_before_cursor) if at_end else ""
        buffer.insert_text(printable_line(rest) + " ")

    @bindings.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        """Run complete lines at once, as if typed."""
        pasted = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(pasted.removesuffix("\n"))
        if pasted.endswith("\n"):
            event.current_buffer.validate_and_handle()

    @bindings.add("enter", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        """Run the line found."""
        accept_search()
        event.app.current_buffer.validate_and_handle()

    @bindings.add("enter", filter=completion_is_selected)
    def _(event: KeyPressEvent) -> None:
        """Accept the word instead of running an incomplete line."""
        event.current_buffer.complete_state = None
        event.current_buffer.insert_text(" ")

    @bindings.add("tab", filter=~has_completions)
    def _(event: KeyPressEvent) -> None:
        text = event.current_buffer.document.text_before_cursor
        completion = session.complete(text)
        extension = completion.extension(text)
        if extension:
            event.current_buffer.insert_text(printable_line(extension))
        elif completion.words:
            event.current_buffer.start_completion()
        else:
            explain(event, printable(help_text(completion)), "")

    return bindings
