# SPDX-License-Identifier: Apache-2.0
"""Batch front end, for `-c` and standard input: no prompt, output to stdout, errors to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain

from snatsh.model.limits import BYTE_ORDER_MARK
from snatsh.shell.core.outcome import LineTerminal, Outcome
from snatsh.shell.core.session import Session
from snatsh.shell.frontends.loop import caret
from snatsh.shell.render.text import printable_line


class BatchTerminal(LineTerminal):
    """A terminal without an operator; questions get their default."""

    attended = False

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


def run_commands(session: Session, commands: Iterable[str], *, keep_going: bool = False) -> int:
    """Run commands up to the first that fails, or all of them. Returns the status of the last that failed."""
    return _run_all(session, commands, keep_going, lambda _number: None)


def run_stdin(session: Session, *, keep_going: bool = False) -> int:
    """Run the lines of standard input, as `run_commands` does. A failed one is named by its number."""
    first = sys.stdin.readline().removeprefix(BYTE_ORDER_MARK)
    lines = chain([first], iter(sys.stdin.readline, ""))
    return _run_all(session, lines, keep_going, partial(_report_line, stopped=not keep_going))


def _run_all(
    session: Session, commands: Iterable[str], keep_going: bool, report_failed: Callable[[int], None]
) -> int:
    status = 0
    for number, command in enumerate(commands, 1):
        if failed := _run(session, command.rstrip("\r\n")):
            status = failed
            report_failed(number)
        if session.finished or (failed and not keep_going):
            break
    return status


def _report_line(number: int, *, stopped: bool) -> None:
    rest = "; the lines after it were not run" if stopped else ""
    print(f"error: line {number} of standard input failed{rest}", file=sys.stderr)


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
