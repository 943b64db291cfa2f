# SPDX-License-Identifier: Apache-2.0
"""`snatsh top` as a program in a separate terminal, on a recording: options, files and what it sends."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect

from tests.unit.tui.replay import RECORDING

MOUSE_ON, ALTERNATE_SCREEN = "\x1b[?1000h", "\x1b[?1049h"
F2 = "\x1bOQ"


@contextmanager
def top(*options: str, **environment: str) -> Iterator[tuple[pexpect.spawn, io.StringIO]]:
    """The program, and all it has written."""
    written = io.StringIO()
    arguments = ["-m", "snatsh.tui", "--replay", str(RECORDING), *options]
    child = pexpect.spawn(
        sys.executable, arguments, dimensions=(24, 80), timeout=60, encoding="utf-8",
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
    )  # fmt: skip
    child.logfile_read = written
    try:
        yield child, written
    finally:
        child.close(force=True)


def test_mouse_is_left_to_the_terminal_and_q_quits() -> None:
    with top() as (child, written):
        child.expect("ALARM")
        child.expect("Palette|Quit")
        child.send("q")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
        assert ALTERNATE_SCREEN in written.getvalue()
        assert MOUSE_ON not in written.getvalue()
        assert "[38;2;" in written.getvalue()


def test_options_for_mouse_keys_and_colour(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text("screen.flows: f2\napp.quit: x\n")
    with top("--mouse", SNATSH_KEYS=str(keys), NO_COLOR="1") as (child, written):
        child.expect("ALARM")
        child.expect("Quit")
        child.send(F2)
        child.expect("2 Flows\\]")
        child.expect("192.168.40.")
        child.send("\x1b[<0;3;2M\x1b[<0;3;2m")  # a click on the first tab
        child.expect("1 Dashboard\\]")
        child.send("x")
        child.expect(pexpect.EOF)
        assert MOUSE_ON in written.getvalue()
        assert not [kind for kind in ("[38;", "[48;", ";38;", ";48;") if kind in written.getvalue()]
