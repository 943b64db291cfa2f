# SPDX-License-Identifier: Apache-2.0
"""Plain front end: a line editor for terminals without cursor control, and for automation.

No escape sequences, own echo, each prompt in one write.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import termios
import tty
from collections.abc import Iterator

from snatsh.shell.core.complete import help_text
from snatsh.shell.core.lexer import lex
from snatsh.shell.core.outcome import LineTerminal
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.loop import Hangup, Idle
from snatsh.shell.render.text import printable

_ESCAPE_KEYS = {
    "[A": "\x10", "OA": "\x10",  # up: previous
    "[B": "\x0e", "OB": "\x0e",  # down: next
    "[C": "\x06", "OC": "\x06",  # right
    "[D": "\x02", "OD": "\x02",  # left
    "[H": "\x01", "OH": "\x01", "[1~": "\x01",  # home
    "[F": "\x05", "OF": "\x05", "[4~": "\x05",  # end
    "[3~": "\x04",  # delete
}  # fmt: skip
"""Escape sequences of keys, as the equivalent control key."""


class RawTerminal:
    """A terminal in raw mode. ^C still interrupts, without flushing input."""

    def __init__(self, reading: int = 0, writing: int = 1, typed: str = "") -> None:
        self._reading = reading
        self._writing = writing
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._waiting = typed
        self._after_return = False
        self.patience = 0.0  # seconds without a key until Idle; 0 for no limit
        self._cooked = termios.tcgetattr(reading)

    def __enter__(self) -> RawTerminal:
        tty.setraw(self._reading, termios.TCSADRAIN)
        mode = termios.tcgetattr(self._reading)
        mode[3] |= termios.ISIG | termios.NOFLSH
        for key in (termios.VQUIT, termios.VSUSP):
            mode[6][key] = b"\0"
        termios.tcsetattr(self._reading, termios.TCSADRAIN, mode)
        return self

    def __exit__(self, *_: object) -> None:
        termios.tcsetattr(self._reading, termios.TCSADRAIN, self._cooked)

    def write(self, text: str) -> None:
        """Write text in one system call if possible."""
        raw = text.replace("\n", "\r\n").encode("utf-8", "backslashreplace")
        while raw:
            raw = raw[os.write(self._writing, raw) :]

    def key(self) -> str:
        """Return the next character, or the control key of an arrow key. NUL and LF after CR are skipped."""
        while True:
            key = self._next()
            if key == "\x1b":
                key = self._escape()
            if key in ("", "\0"):
                continue
            half_of_crlf = key == "\n" and self._after_return
            self._after_return = key == "\r"
            if not half_of_crlf:
                return "\r" if key == "\n" else key

    def _escape(self) -> str:
        sequence = self._next()
        if sequence in ("[", "O"):
            while len(sequence) < 2 or sequence[-1] in "0123456789;":
                sequence += self._next()
        return _ESCAPE_KEYS.get(sequence, "")

    def _next(self) -> str:
        while not self._waiting:
            if self.patience and not self._ready(self.patience):
                raise Idle
            try:
                raw = os.read(self._reading, 65536)
            except OSError:
                raise Hangup from None
            if not raw:
                raise Hangup
            self._waiting = self._decode(raw)
        key, self._waiting = self._waiting[0], self._waiting[1:]
        return key

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self._reading], [], [], seconds)[0])

    @property
    def has_more(self) -> bool:
        """Whether a key is pending."""
        return bool(self._waiting) or self._ready(0)

    def pressed(self, seconds: float) -> bool:
        """Wait for a key and consume it. Whether one was pressed."""
        if not self._waiting and not self._ready(seconds):
            return False
        self._next()
        return True

    def size(self) -> tuple[int, int]:
        try:
            columns, lines = os.get_terminal_size(self._writing)
        except OSError:
            return 0, 0
        return columns, lines


class PlainFront(LineTerminal):
    """Reads lines from a raw terminal, with editing, history, Tab and `?`."""

    def __init__(self, terminal: RawTerminal) -> None:
        self._terminal = terminal
        self._history: list[str] = []
        self.session: Session | None = None

    def write(self, text: str) -> None:
        if text:
            self._terminal.write(text)

    def show(self, text: str, _kind: str) -> None:
        self.write(text)

    def size(self) -> tuple[int, int]:
        return self._terminal.size()

    def read_key(self) -> str:
        return self._terminal.key()

    def wait_key(self, seconds: float) -> bool:
        return self._terminal.pressed(seconds)

    def read_line(self, prompt: str) -> str:
        self._terminal.patience = 60.0 * self.session.settings.idle_minutes if self.session else 0
        line = _Editor(self._terminal, prompt, self._history, self.session).read()
        if line.strip() and self._history[-1:] != [line]:
            self._history.append(line)
        return line

    def ask(self, question: str) -> str:
        try:
            return _Editor(self._terminal, question, [], None).read()
        except (EOFError, Hangup):
            return ""

    def read_block(self, notice: str) -> str:
        self.write(f"{notice}\n")
        lines = []
        try:
            while True:
                lines.append(_Editor(self._terminal, "", [], None).read() + "\n")
        except EOFError:
            self.write("\n")
        except Hangup:
            pass
        return "".join(lines)

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        self._terminal.__exit__()
        try:
            yield
        finally:
            self._terminal.__enter__()


class _Editor:
    """Editor of one line. at: cursor position in `line`."""

    def __init__(
        self, terminal: RawTerminal, prompt: str, history: list[str], session: Session | None
    ) -> None:
        self.line = ""
        self.at = 0
        self._terminal = terminal
        self._prompt = prompt
        self._last_line_of_prompt = prompt.lstrip("\n")
        self._history = [*history, ""]
        self._place = len(history)
        self._session = session
        self._actions = {
            "\x01": lambda: self._move(0),
            "\x02": lambda: self._move(self.at - 1),
            "\x04": self._delete_or_end,
            "\x05": lambda: self._move(len(self.line)),
            "\x06": lambda: self._move(self.at + 1),
            "\x08": lambda: self._replace(self.at - 1, self.at, ""),
            "\x7f": lambda: self._replace(self.at - 1, self.at, ""),
            "\x0b": lambda: self._replace(self.at, len(self.line), ""),
            "\x0c": self._redraw,
            "\x0e": lambda: self._recall(1),
            "\x10": lambda: self._recall(-1),
            "\x15": lambda: self._replace(0, len(self.line), ""),
            "\x17": self._delete_word,
            "\t": self._complete,
        }

    def read(self) -> str:
        self._terminal.write(self._prompt)
        try:
            while (key := self._terminal.key()) != "\r":
                self._press(key)
        except KeyboardInterrupt:
            self._terminal.write("\n")
            raise
        self._move(len(self.line))
        self._terminal.write("\n")
        return self.line

    def _press(self, key: str) -> None:
        action = self._actions.get(key)
        if action is not None and (self._session is not None or key != "\t"):
            action()
        elif key == "?" and self._session is not None and self._is_question():
            self._explain(self._session.help(self.line[: self.at]), "?")
        elif key >= " " or key == "\t":
            self._replace(self.at, self.at, self._rest(key) + key)

    def _rest(self, key: str) -> str:
        """Return what Space completes, but not in input that arrives at once, as from a program."""
        if key != " " or self._session is None or self._terminal.has_more or self.at < len(self.line):
            return ""
        return printable(self._session.on_space(self.line))

    def _is_question(self) -> bool:
        return lex(self.line[: self.at]).open_quote is None

    def _replace(self, start: int, end: int, text: str) -> None:
        """Replace a part of the line and redraw from there."""
        start = max(0, start)
        tail = self.line[end:]
        gone = end - start - len(text)
        self._move(start)
        blanks = max(0, gone)
        self._terminal.write(text + tail + " " * blanks + "\b" * (blanks + len(tail)))
        self.line = self.line[:start] + text + tail
        self.at = start + len(text)

    def _move(self, place: int) -> None:
        place = min(max(place, 0), len(self.line))
        if place < self.at:
            self._terminal.write("\b" * (self.at - place))
        elif place > self.at:
            self._terminal.write(self.line[self.at : place])
        self.at = place

    def _delete_or_end(self) -> None:
        if not self.line:
            raise EOFError
        if self.at < len(self.line):
            self._replace(self.at, self.at + 1, "")

    def _delete_word(self) -> None:
        head = self.line[: self.at].rstrip()
        start = max(head.rfind(" "), head.rfind("\t")) + 1
        self._replace(start, self.at, "")

    def _recall(self, step: int) -> None:
        place = self._place + step
        if 0 <= place < len(self._history):
            self._history[self._place] = self.line
            self._place = place
            self._replace(0, len(self.line), self._history[place])

    def _redraw(self) -> None:
        self._terminal.write("\n" + self._last_line_of_prompt + self.line)
        self._terminal.write("\b" * (len(self.line) - self.at))

    def _complete(self) -> None:
        assert self._session is not None
        head = self.line[: self.at]
        completion = self._session.complete(head)
        extension = completion.extension(head)
        if extension:
            self._replace(self.at, self.at, printable(extension))
        elif completion.candidates or completion.error:
            self._explain(printable(help_text(completion)), "")

    def _explain(self, text: str, typed: str) -> None:
        """Show text below the line, then prompt and line again."""
        self._terminal.write(f"{typed}\n{text}{self._last_line_of_prompt}{self.line}")
        self._terminal.write("\b" * (len(self.line) - self.at))
