# SPDX-License-Identifier: Apache-2.0
"""`commit`, `rollback` and `update`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from snatsh.api.codec import builtins
from snatsh.api.commits import CommitResult, ProblemRow
from snatsh.client import Busy, ClientError, ConfirmsOthers, Rejected
from snatsh.shell.core.answers import DETAIL, Answer, Message, ShellError
from snatsh.shell.core.command import Argument, CommandSet, Flag, Option
from snatsh.shell.core.grammar import Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import COMMITTED, number
from snatsh.shell.render.problems import problem_lines
from snatsh.shell.render.text import duration, printable

CONFIGURE = CommandSet()


_LONGEST_COMMENT = 512
_MOST_MINUTES = 65_535
_DEFAULT_MINUTES = 10
_BUSY_SECONDS = 60.0


def _comment(text: str) -> str:
    if len(text) > _LONGEST_COMMENT or not text.isprintable():
        raise ValueError(f"expected up to {_LONGEST_COMMENT} printable characters")
    return text


@dataclass(frozen=True, slots=True)
class CommitAnswer(Answer):
    """Result of a commit; `| display detail` shows its steps."""

    done: CommitResult
    lines: list[str]
    seconds: float

    @property
    def data(self) -> Any:
        return builtins(self.done)

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)

    def display(self, form: str) -> str:
        lines = [f"{step.doing}: {step.milliseconds:.1f} ms" for step in self.done.steps]
        lines.append(f"time in snatd: {self.done.milliseconds:.1f} ms")
        lines.append(f"total time: {1000 * self.seconds:.1f} ms")
        lines.append(f"flows ended: {self.done.ended_flows:,}")
        return "".join(f"{line}\n" for line in [*lines, *self.lines])


@CONFIGURE.command(
    "commit",
    "Commit the candidate configuration",
    Flag("check", "Validate the candidate without committing it"),
    Option(
        "confirmed",
        "Roll back after minutes unless confirmed by another commit (default 10)",
        number(1, _MOST_MINUTES),
        default=_DEFAULT_MINUTES,
    ),
    Option("comment", "Comment for the commit history", Value("<comment>", _comment)),
    Option("at", 'Schedule the commit: hh:mm[:ss], "yyyy-mm-dd hh:mm[:ss]" or reboot', Value("<time>")),
    Flag("and_quit", "Exit configuration mode after a successful commit"),
    Flag("and_confirm", "Also confirm the pending commit of another user, without a question"),
    answers=DETAIL,
)
def commit(
    session: Session,
    check: bool = False,
    confirmed: int | None = None,
    comment: str | None = None,
    at: str | None = None,
    and_quit: bool = False,
    and_confirm: bool = False,
) -> Answer:
    given = {"at": at, "confirmed": confirmed, "and-confirm": and_confirm}
    if len(exclusive := [name for name, value in given.items() if value]) > 1:
        raise ShellError(f"commit: {' and '.join(exclusive)} are mutually exclusive")
    started = time.monotonic()
    try:
        wish = {"check": check, "confirmed": confirmed, "comment": comment, "at": at}
        done = _with_permission(session, wish, and_confirm)
    except Rejected as error:
        what = "configuration check-out failed" if check else "commit failed"
        raise ShellError(_failure(what, error), problem_lines(error.problems)) from None
    except ClientError as error:
        raise ShellError(f"commit failed: {error}") from None
    lines = [f"warning: {_sentence(row)}" for row in done.warnings]
    if done.ended_flows:
        lines.append(f"flows ended because their address was withdrawn: {done.ended_flows:,}")
    lines += _success(done, check, confirmed)
    session.refresh()
    if and_quit and not check:
        session.leave_configuration()
        lines.append("Exiting configuration mode")
    return CommitAnswer(done, lines, time.monotonic() - started)


def _success(done: CommitResult, check: bool, confirmed: int | None) -> list[str]:
    if check:
        return [*(f"impact: {effect.text}" for effect in done.impact), "configuration check succeeds"]
    if done.scheduled:
        return ["configuration check succeeds", f"commit at will be executed at {done.scheduled}"]
    if confirmed:
        # The wording of Junos, which automation matches; it has no singular either.
        notice = f"commit confirmed will be automatically rolled back in {confirmed} minutes unless confirmed"
        return [notice, "commit complete"]
    return ["commit complete"]


def _with_permission(session: Session, wish: dict[str, Any], and_confirm: bool) -> CommitResult:
    """Commit; where that confirms the commit of another user, ask an operator at a terminal before."""
    try:
        return _patiently(session, **wish, and_confirm=and_confirm)
    except ConfirmsOthers:
        if not session.has_operator or not _asked_to_confirm(session):
            raise
    return _patiently(session, **wish, and_confirm=True)


def _asked_to_confirm(session: Session) -> bool:
    pending = session.client.commits().pending
    if pending is None:
        return True  # confirmed or rolled back meanwhile
    why = f" ({pending.comment})" if pending.comment else ""
    question = (
        f"The commit by {pending.by}{why} is rolled back in {duration(pending.seconds)} unless confirmed, "
        "and this commit confirms it.\nConfirm it?"
    )
    return session.terminal.confirm(printable(question), default=False)


def _patiently(session: Session, **wish: Any) -> CommitResult:
    """Commit; while another commit is in progress, retry for a while."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return session.client.commit(**wish)
        except Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _failure(what: str, error: Rejected) -> str:
    """Return the error: with its reason unless problems above state it."""
    return what if error.problems else f"{what}: {error}"


def _sentence(row: ProblemRow) -> str:
    where = " ".join([*row.path, row.value]).strip()
    return f"{where}: {row.reason}" if where else row.reason


@CONFIGURE.command(
    "rollback",
    "Load a committed configuration into the candidate",
    Argument("number", "Number of the commit (default 0, the running configuration) or rescue", COMMITTED),
)
def rollback(session: Session, number: int | str = 0) -> Answer:
    session.client.rollback(number)
    return Message("load complete")


@CONFIGURE.command("update", "Update a private candidate with the running configuration")
def update(session: Session) -> Answer:
    if session.edit_mode != "private":
        raise ShellError("update: requires a private candidate; see `configure private`")
    kept = session.client.update()
    lines = ["warning: these changes conflict with commits by others and were kept:"]
    return Message("\n".join([*lines, *(f"  {change}" for change in kept)] if kept else ["update complete"]))
