# SPDX-License-Identifier: Apache-2.0
"""Commit and rollback."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from snatsh.api.codec import builtins
from snatsh.api.commits import CommitResult, ProblemRow
from snatsh.client import Busy, ClientError, Rejected
from snatsh.shell.core.answers import DETAIL, Answer, Message, ShellError
from snatsh.shell.core.command import Argument, CommandSet, Flag, Option
from snatsh.shell.core.grammar import Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import COMMITTED, number
from snatsh.shell.render.problems import problem_lines

CONFIGURE = CommandSet()


_LONGEST_COMMENT = 512
_MOST_MINUTES = 65_535
_DEFAULT_MINUTES = 10
_BUSY_SECONDS = 60.0


def _comment(text: str) -> str:
    if len(text) > _LONGEST_COMMENT or not text.isprintable():
        raise ValueError(f"expected at most {_LONGEST_COMMENT} characters, all printable")
    return text


@dataclass(frozen=True, slots=True)
class CommitAnswer(Answer):
    """What a commit came to. Its details are shown where they are asked for."""

    done: CommitResult
    lines: list[str]
    seconds: float

    @property
    def data(self) -> Any:
        return builtins(self.done)

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def display(self, form: str) -> str:
        told = [f"{step.doing}: {step.milliseconds:.1f} ms" for step in self.done.steps]
        told.append(f"time in the gateway: {self.done.milliseconds:.1f} ms")
        told.append(f"time at this console: {1000 * self.seconds:.1f} ms")
        told.append(f"flows ended: {self.done.ended_flows:,}")
        return "".join(f"{line}\n" for line in [*told, *self.lines])


@CONFIGURE.command(
    "commit",
    "Make the candidate the running configuration",
    Flag("check", "Only say whether it could be"),
    Option(
        "confirmed",
        "Roll back unless another commit follows within these minutes (default 10)",
        number(1, _MOST_MINUTES),
        default=_DEFAULT_MINUTES,
    ),
    Option("comment", "Say why, for the history", Value("<comment>", _comment)),
    Option("at", "When: hh:mm[:ss], yyyy-mm-dd hh:mm[:ss] in quotes, or reboot", Value("<time>")),
    Flag("and_quit", "Leave configuration mode when it succeeds"),
    answers=DETAIL,
)
def commit(
    session: Session,
    check: bool = False,
    confirmed: int | None = None,
    comment: str | None = None,
    at: str | None = None,
    and_quit: bool = False,
) -> Answer:
    if at and confirmed:
        raise ShellError("commit at and commit confirmed don't go together")
    started = time.monotonic()
    try:
        done = _patiently(session, check=check, confirmed=confirmed, comment=comment, at=at)
    except Rejected as error:
        what = "configuration check-out failed" if check else "commit failed"
        raise ShellError(_failure(what, error), problem_lines(error.problems)) from None
    except ClientError as error:
        raise ShellError(f"commit failed: {error}") from None
    lines = [f"warning: {_sentence(row)}" for row in done.warnings]
    if done.ended_flows:
        lines.append(f"flows ended because their address left the pools: {done.ended_flows:,}")
    lines += _success(done, check, confirmed)
    session.refresh()
    if and_quit and not check:
        session.leave_configuration()
        lines.append("Exiting configuration mode")
    return CommitAnswer(done, lines, time.monotonic() - started)


def _success(done: CommitResult, check: bool, confirmed: int | None) -> list[str]:
    if check:
        return ["configuration check succeeds"]
    if done.scheduled:
        return ["configuration check succeeds", f"commit at will be executed at {done.scheduled}"]
    if confirmed:
        # In Junos' words, which programs look for; it knows no single minute either.
        promise = (
            f"commit confirmed will be automatically rolled back in {confirmed} minutes unless confirmed"
        )
        return [promise, "commit complete"]
    return ["commit complete"]


def _patiently(session: Session, **wish: Any) -> CommitResult:
    """Wait for another console's commit to end; one that has the same in mind is no mistake."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return session.client.commit(**wish)
        except Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _failure(what: str, error: Rejected) -> str:
    """Problems speak for themselves; without any, the message says why."""
    return what if error.problems else f"{what}: {error}"


def _sentence(row: ProblemRow) -> str:
    where = " ".join([*row.path, row.value]).strip()
    return f"{where}: {row.reason}" if where else row.reason


@CONFIGURE.command(
    "rollback",
    "Make a committed configuration the candidate",
    Argument("number", "Its number (default 0, the running one), or rescue", COMMITTED),
)
def rollback(session: Session, number: int | str = 0) -> Answer:
    session.client.rollback(number)
    return Message("load complete")


@CONFIGURE.command("update", "Bring a private candidate up to date with what runs")
def update(session: Session) -> Answer:
    if session.edit_mode != "private":
        raise ShellError("only a private candidate needs it; see `configure private`")
    kept = session.client.update()
    lines = ["warning: these of your changes stand against what others committed:"]
    return Message("\n".join([*lines, *(f"  {change}" for change in kept)] if kept else ["update complete"]))
