# SPDX-License-Identifier: Apache-2.0
"""The plain line editor on a real pseudo terminal: input, echo and result."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snatsh.client import Client
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.loop import Hangup, Idle, converse
from snatsh.shell.frontends.plain import PlainFront, RawTerminal
from snatsh.shell.modes import MODES

PROMPT = "u@h> "


class Typist:
    """The far end of the terminal."""

    def __init__(self, master: int) -> None:
        self.master = master

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def screen(self, until: str, seconds: float = 5) -> str:
        """Everything written, up to and with a text."""
        seen = b""
        deadline = time.monotonic() + seconds
        while until.encode() not in seen and time.monotonic() < deadline:
            seen += os.read(self.master, 65536)
        return seen.decode()


Pair = tuple[RawTerminal, Typist]


@pytest.fixture
def terminal() -> Iterator[Pair]:
    master, slave = os.openpty()
    with RawTerminal(slave, slave) as raw:
        yield raw, Typist(master)
    os.close(slave)
    os.close(master)


def read(terminal: Pair, keys: str, front: PlainFront | None = None) -> tuple[str, str]:
    """Type these keys at a prompt. The line that comes of it, and all that was echoed."""
    raw, typist = terminal
    front = front or PlainFront(raw)
    entered = []
    reader = threading.Thread(target=lambda: entered.append(front.read_line(PROMPT)))
    reader.start()
    typist.type(keys)
    reader.join(5)
    assert entered, "the line never came"
    raw.write("END")
    return entered[0], typist.screen("END").removesuffix("END")


def test_echo_is_verbatim_and_ends_in_crlf(terminal: Pair) -> None:
    assert read(terminal, "show flows\r") == ("show flows", f"{PROMPT}show flows\r\n")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\0\r", "\r\0\n"])
def test_cr_lf_and_crlf_end_a_line(terminal: Pair, end: str) -> None:
    front = PlainFront(terminal[0])
    assert read(terminal, f"one{end}two{end}three{end}", front)[0] == "one"
    assert read(terminal, "", front)[0] == "two"
    assert read(terminal, "", front)[0] == "three"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("shox\x7fw\r", "show"),
        ("how\x01s\r", "show"),
        ("shw\x1b[Do\r", "show"),
        ("one two\x17three\r", "one three"),
        ("rubbish\x15show\r", "show"),
        ("show flows\x1b[H\x0b\r", ""),
        ("sshow\x01\x04\r", "show"),
        ("\x7f\x7f\x02a\r", "a"),
        ("show\x1b[5~\x1bOX\r", "show"),
        ("grüße\x7f\r", "grüß"),
    ],
)
def test_line_editing_keys(terminal: Pair, keys: str, line: str) -> None:
    assert read(terminal, keys)[0] == line


class Recorder(RawTerminal):
    """A terminal that remembers what reached it, write by write."""

    def __init__(self, reading: int, writing: int) -> None:
        super().__init__(reading, writing)
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)
        super().write(text)


def test_prompt_is_written_at_once_and_last() -> None:
    master, slave = os.openpty()
    raw = Recorder(slave, slave)
    with raw:
        front = PlainFront(raw)
        front.session = session = Session(Client("/nonexistent/snatd.sock"), front, MODES)
        session.configuring, session.edit = True, ("rules", "10")
        talk = threading.Thread(target=lambda: converse(session, front))
        talk.start()
        Typist(master).type("\rexit configuration-mode\r\x04")
        talk.join(5)
        assert not talk.is_alive()
    prompts = [text for text in raw.written if text.endswith(("# ", "> "))]
    who = prompts[-1].lstrip("\n").removesuffix("> ")
    assert prompts[1:] == [f"\n[edit rules 10]\n{who}# ", f"\n{who}> "]
    assert prompts[0].endswith(f"[edit rules 10]\n{who}# ")
    os.close(slave)
    os.close(master)


def test_no_escape_codes_are_written(terminal: Pair) -> None:
    _, echoed = read(terminal, "abc\x1b[D\x1b[D\x7fxyz\x01\x0b\x15show\x0c\r")
    assert "\x1b" not in echoed


def test_long_lines_are_read_whole(terminal: Pair) -> None:
    words = "x" * 20_000
    raw, typist = terminal
    lines = []
    reader = threading.Thread(target=lambda: lines.append(PlainFront(raw).read_line("")))
    reader.start()
    for start in range(0, len(words), 1000):
        typist.type(words[start : start + 1000])
        typist.screen("x" * 1000)
    typist.type("\r")
    reader.join(5)
    assert lines == [words]


def test_history_keys(terminal: Pair) -> None:
    front = PlainFront(terminal[0])
    read(terminal, "show flows\r", front)
    read(terminal, "show pools\r", front)
    assert read(terminal, "\x10\x10\r", front)[0] == "show flows"
    assert read(terminal, "half\x1b[A\x1b[B\r", front)[0] == "half"


@pytest.fixture
def front(terminal: Pair, tmp_path: Path) -> PlainFront:
    """With the real grammar behind it, and no snatd."""
    front = PlainFront(terminal[0])
    front.session = Session(Client(tmp_path / "none.sock"), front, MODES)
    return front


def test_tab_completes(terminal: Pair, front: PlainFront) -> None:
    line, echoed = read(terminal, "sh\tfl\tsumm\t\r", front)
    assert line == "show flows summary "
    assert echoed == f"{PROMPT}show flows summary \r\n"


def test_tab_lists_candidates_and_redraws_the_line(terminal: Pair, front: PlainFront) -> None:
    line, echoed = read(terminal, "c\tle\t\r", front)
    assert line == "clear "
    assert "Possible completions:\r\n  clear" in echoed
    assert echoed.count(f"{PROMPT}c") == 2


def test_question_mark_shows_help_and_is_not_inserted(terminal: Pair, front: PlainFront) -> None:
    line, echoed = read(terminal, "show ?links\r", front)
    assert line == "show links"
    assert f"{PROMPT}show ?\r\nPossible completions:\r\n" in echoed
    assert echoed.endswith(f"{PROMPT}show links\r\n")


def test_quoted_question_mark_is_inserted(terminal: Pair, front: PlainFront) -> None:
    assert read(terminal, 'commit comment "why?"\r', front)[0] == 'commit comment "why?"'


def test_end_of_input_and_hangup(terminal: Pair) -> None:
    raw, typist = terminal
    typist.type("\x04")
    with pytest.raises(EOFError):
        PlainFront(raw).read_line(PROMPT)


def test_idle_prompt_times_out(terminal: Pair) -> None:
    raw, _ = terminal
    front = PlainFront(raw)
    front.session = Session(Client("/nowhere"), front, MODES)
    front.session.settings.idle_minutes = 0.002
    with pytest.raises(Idle):
        front.read_line(PROMPT)


def test_closed_terminal_hangs_up() -> None:
    master, slave = os.openpty()
    raw = RawTerminal(slave, slave)
    os.close(master)
    with pytest.raises(Hangup):
        raw.key()
    os.close(slave)


def test_control_d_ends_a_block(terminal: Pair) -> None:
    raw, typist = terminal
    blocks = []
    reader = threading.Thread(target=lambda: blocks.append(PlainFront(raw).read_block("[end with ^D]")))
    reader.start()
    typist.type("set a\rset b\r\x04")
    reader.join(5)
    assert blocks == ["set a\nset b\n"]


def test_terminal_settings_are_restored() -> None:
    import termios

    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    with RawTerminal(slave, slave):
        assert termios.tcgetattr(slave) != before
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("lines", "waits"),
    [
        ("help\r", "---(more)---"),
        ("top delete\r", "Delete everything under this level? [yes,no] (no) "),
    ],
)
def test_idle_console_times_out_at_the_pager(terminal: Pair, lines: str, waits: str) -> None:
    raw, typist = terminal
    front = PlainFront(raw)
    front.session = session = Session(Client("/nonexistent/snatd.sock"), front, MODES)
    session.settings.screen_width, session.settings.screen_length = 80, 4
    session.settings.idle_minutes = 1 / 300
    session.configuring = "delete" in lines
    ended = []
    talk = threading.Thread(target=lambda: ended.append(converse(session, front)))
    talk.start()
    typist.type(lines)
    assert waits in typist.screen("session closed")
    talk.join(5)
    assert ended
