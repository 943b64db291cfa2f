# SPDX-License-Identifier: Apache-2.0
"""Batch front end, for `-c` and standard input: no prompt, output to stdout, errors to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from snatsh.shell.core.outcome import LineTerminal, Outcome
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.loop import caret
from snatsh.shell.render.text import printable_line


class BatchTerminal(LineTerminal):
    """A terminal without an operator; questions get their default."""

    def ask(self, question: str) -> str:
        print(question, file=sys.stderr)
        return ""

    def read_block(self, notice: str) -> str:
        """Return lines up to ^D or the end of the input."""
        lines = []
        for line in sys.stdin:
            head, end, _ = line.partition("\x04")
            lines.append(head)
            if end:
                break
        return "".join(lines)

    def released(self) -> AbstractContextManager[None]:
        sys.stdout.flush()
        return nullcontext()


def run_commands(session: Session, commands: Iterable[str]) -> int:
    """Run commands up to the first that fails. Returns its status."""
    for command in commands:
        status = _run(session, command)
        if status or session.finished:
            return status
    return 0


def run_stdin(session: Session) -> int:
    """Run all lines. Returns the status of the last."""
    status = 0
    while not session.finished and (line := sys.stdin.readline()):
        if line.strip():
            status = _run(session, line.rstrip("\r\n"))
    return status


def _run(session: Session, command: str) -> int:
    outcome = session.execute(command)
    _report(command, outcome)
    try:
        while outcome.streams and outcome.refresh and not outcome.failed:
            time.sleep(outcome.refresh)
            outcome = session.again(command)
            _report(command, outcome)
    finally:
        session.end()
    return outcome.status


def _report(command: str, outcome: Outcome) -> None:
    if not outcome.failed:
        sys.stdout.write(outcome.text)
        sys.stdout.flush()
        return
    if outcome.column is not None:
        sys.stderr.write(f"{printable_line(command)}\n{caret(outcome.column)}")
    sys.stderr.write(outcome.text)
