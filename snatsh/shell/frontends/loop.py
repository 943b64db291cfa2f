# SPDX-License-Identifier: Apache-2.0
"""The conversation: prompt, line, outcome, until the operator leaves. The same on every front end."""

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
    """The terminal is gone; nobody reads any answer."""


class Idle(Exception):
    """Nobody has pressed a key for as long as `set cli idle-timeout` allows."""


class Front(Terminal, Protocol):
    """A person's terminal."""

    def read_line(self, prompt: str) -> str:
        """What was entered. EOFError on ^D, KeyboardInterrupt on ^C, Hangup when the terminal is gone."""

    def write(self, text: str) -> None:
        """Text with plain newlines."""

    def show(self, text: str, kind: str) -> None:
        """Whole lines of an answer of a kind, in its colours where the terminal has any."""

    def size(self) -> tuple[int, int]:
        """Columns and lines; 0 when the terminal does not say."""

    def read_key(self) -> str:
        """One key, without echo."""

    def wait_key(self, seconds: float) -> bool:
        """Whether a key was pressed meanwhile; it is not read again."""


def converse(session: Session, front: Front) -> int:
    """Until `exit` or the end of the input; the status of the last command."""
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
        front.write("\nidle for too long; leaving\n")
    except Hangup:
        pass
    return status


def _entered(session: Session, front: Front, gap: bool) -> tuple[str | None, int]:
    """What was entered, None for a line that was dropped; and how long the prompt was."""
    told = session.news()
    prompt = session.prompt()
    try:
        return front.read_line("\n" * gap + told + str(prompt)), len(prompt.text)
    except EOFError:
        return "exit", len(prompt.text)
    except KeyboardInterrupt:
        return None, 0


def _carry_out(session: Session, front: Front, lines: list[str], indent: int) -> Iterator[Outcome]:
    """Run and show them one after the other. indent: how far the single line stood to the right."""
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
    """A paste may hold many lines. ^C stops them all."""
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
    """line: the line itself, where the caret would have nothing to point at."""
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
    """Run it again and again, until a key is pressed."""
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
    """The line that points at a column of the line above, which the terminal may have wrapped."""
    place = indent + column
    return " " * (place % columns if columns else place) + "^\n"


def _page(front: Front, text: str, kind: str, columns: int, lines: int) -> None:
    """One screenful at a time: space for the next, Enter for a line, q to stop."""
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
    """How many lines to go on with; 0 to stop."""
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
