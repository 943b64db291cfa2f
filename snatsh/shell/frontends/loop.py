# SPDX-License-Identifier: Apache-2.0
"""The read-execute loop of interactive front ends."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from snatsh.shell.core.outcome import Outcome, Terminal
from snatsh.shell.core.session import Session
from snatsh.shell.render.text import printable_line

MORE = "---(more)---"
HELD = "---(more 100%)---"


class Hangup(Exception):
    """The terminal was closed."""


class Idle(Exception):
    """The idle timeout of `set cli idle-timeout` expired."""


class Front(Terminal, Protocol):
    """An interactive terminal."""

    def read_line(self, prompt: str) -> str:
        """Read a line. EOFError on ^D, KeyboardInterrupt on ^C, Hangup when the terminal is closed."""

    def write(self, text: str) -> None:
        """Write text with plain newlines."""

    def show(self, text: str, kind: str) -> None:
        """Write lines of output in the colours of their kind."""

    def size(self) -> tuple[int, int]:
        """Return columns and lines; 0 if unknown."""

    def read_key(self) -> str:
        """Read a key without echo."""

    def wait_key(self, seconds: float) -> bool:
        """Wait for a key, which is consumed. Whether one was pressed."""


def converse(session: Session, front: Front) -> int:
    """Run lines until `exit` or the end of the input. Returns the status of the last command."""
    trouble = session.greet()
    front.write(trouble)
    status, gap = 0, bool(trouble)
    try:
        while not session.finished:
            entered, indent = _entered(session, front, gap)
            if entered is None:
                continue
            gap = session.configuring
            for outcome in _carry_out(session, front, entered.splitlines(), indent):
                status = outcome.status
                gap = session.configuring or bool(outcome.text)
    except Idle:
        front.write("\nidle timeout; session closed\n")
    except Hangup:
        pass
    return status


def _entered(session: Session, front: Front, gap: bool) -> tuple[str | None, int]:
    """Return the input, None for a cancelled line, and the length of the prompt."""
    notices = session.news()
    prompt = session.prompt()
    try:
        return front.read_line("\n" * gap + notices + str(prompt)), len(prompt.text)
    except EOFError:
        return "exit", len(prompt.text)
    except KeyboardInterrupt:
        return None, 0


def _carry_out(session: Session, front: Front, lines: list[str], indent: int) -> Iterator[Outcome]:
    """Run lines and show their output. indent: the length of the prompt."""
    if session.settings.timestamp and lines:
        front.write(time.strftime("%b %d %H:%M:%S\n"))
    for line, outcome in _execute_all(session, lines):
        if len(lines) == 1:
            _show(session, front, outcome, indent)
            _refresh(session, front, line, outcome)
        else:
            _show(session, front, outcome, 0, line)
            session.end()
        yield outcome


def _execute_all(session: Session, lines: list[str]) -> Iterable[tuple[str, Outcome]]:
    """Execute the lines of a paste; ^C stops all."""
    for line in lines:
        if session.finished:
            return
        try:
            outcome = session.execute(line)
        except KeyboardInterrupt:
            yield line, Outcome("interrupted\n", failed=True)
            return
        yield line, outcome


def _show(session: Session, front: Front, outcome: Outcome, indent: int, line: str = "") -> None:
    """Show an outcome. line: echoed above the caret when it is not on the screen."""
    columns, lines = session.settings.size(front.size())
    text = outcome.text
    kind = "error" if outcome.failed else outcome.kind
    if outcome.column is not None:
        echo = f"{printable_line(line)}\n" if line else ""
        text = echo + caret(outcome.column, indent, columns) + text
    if outcome.paged and lines > 2 and columns:
        _page(front, text, kind, columns, lines)
    else:
        front.show(text, kind)
    if outcome.held and lines and columns:
        front.write(HELD)
        with contextlib.suppress(KeyboardInterrupt, Hangup):
            front.read_key()
        front.write("\r" + " " * len(HELD) + "\r")


def _refresh(session: Session, front: Front, line: str, outcome: Outcome) -> None:
    """Repeat a command until a key is pressed."""
    try:
        while outcome.refresh and not outcome.failed and not front.wait_key(outcome.refresh):
            outcome = session.again(line)
            if not outcome.streams:
                front.write(f"---(refreshed at {time.strftime('%Y-%m-%d %H:%M:%S')})---\n")
            front.show(outcome.text, "error" if outcome.failed else outcome.kind)
    except (KeyboardInterrupt, Hangup):
        pass
    finally:
        session.end()


def caret(column: int, indent: int = 0, columns: int = 0) -> str:
    """Return a caret line for a column of the line above, which may be wrapped."""
    place = indent + column
    return " " * (place % columns if columns else place) + "^\n"


def _page(front: Front, text: str, kind: str, columns: int, lines: int) -> None:
    """Show a page at a time: Space for the next, Enter for a line, q to quit."""
    room = lines - 1
    for line in text.splitlines(keepends=True):
        height = max(1, -(-len(line.rstrip("\n")) // columns))
        if height > room:
            room = _ask_for_more(front, lines)
            if not room:
                return
        front.show(line, kind)
        room -= height


def _ask_for_more(front: Front, lines: int) -> int:
    """Return the number of lines to show next; 0 to stop."""
    front.write(MORE)
    try:
        room = 0
        while not room:
            key = front.read_key()
            if key in ("", "q", "Q", "\x03", "\x04"):
                return 0
            room = {" ": lines - 1, "\r": 1, "\n": 1}.get(key, 0)
        return room
    except (KeyboardInterrupt, Hangup):
        return 0
    finally:
        front.write("\r" + " " * len(MORE) + "\r")
