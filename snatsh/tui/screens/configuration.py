# SPDX-License-Identifier: Apache-2.0
"""The candidate beside the running configuration, and its commits, with the API and roles of the shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from textual.binding import Binding
from textual.containers import Vertical
from textual.widget import Widget

from snatsh.api.commits import CommitResult, History
from snatsh.api.configuration import Editor, Statement
from snatsh.client import Client, ClientError, ConfirmsOthers, Rejected
from snatsh.model.document.types import Document
from snatsh.shell.render.text import duration
from snatsh.tui.context import background, console_of
from snatsh.tui.difference import difference
from snatsh.tui.screens.base import LiveScreen
from snatsh.tui.screens.history import HistoryScreen
from snatsh.tui.widgets.dialogs import Ask, Question, TextView, diff_lines, plain_lines
from snatsh.tui.widgets.lines import Line, Lines
from snatsh.tui.widgets.panel import Panel
from snatsh.tui.widgets.prompt import Prompt
from snatsh.tui.widgets.tree import ConfigurationTree

MOST_MINUTES = 65_535
_Action = Callable[[Client], Any]


class _Head(Lines):
    DEFAULT_CSS = "_Head { height: 1; }"
    line: Line = ()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        yield self.line


@dataclass(frozen=True, slots=True)
class _Configurations:
    """changed: whether the candidate differs from the running one. others: other consoles editing."""

    candidate: Document
    running: Document
    changed: bool
    history: History
    others: list[Editor]


class ConfigurationScreen(LiveScreen):
    NAME = "configuration"
    BINDINGS = [
        Binding("k", "check", "Check", id="configuration.check"),
        Binding("c", "commit", "Commit", id="configuration.commit"),
        Binding("C", "confirmed", "Confirmed", id="configuration.confirmed"),
        Binding("y", "confirm", "Confirm", id="configuration.confirm"),
        Binding("a", "abort", "Abort", id="configuration.abort"),
        Binding("h", "history", "History", id="configuration.history"),
        Binding("u", "rollback", "Rollback", id="configuration.rollback"),
        Binding("s", "statement", "Set", id="configuration.statement"),
        Binding("d", "difference", "Difference", show=False, id="configuration.difference"),
    ]
    DEFAULT_CSS = """
    ConfigurationScreen #trees { height: 2fr; }
    ConfigurationScreen #difference { height: 1fr; min-height: 5; }
    """

    def body(self) -> Iterable[Widget]:
        yield _Head(id="head")
        with Vertical(id="trees"):
            yield ConfigurationTree()
        yield Panel("Changes to the running configuration", self._difference, id="difference")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(ConfigurationTree).focus()

    def fetch(self, client: Client) -> _Configurations:
        candidate = client.candidate()
        return _Configurations(
            candidate.document, client.configuration(), candidate.changed, client.commits(), client.sessions()
        )

    def show(self, data: _Configurations) -> None:
        self.query_one(ConfigurationTree).fill(data.candidate, data.running)
        self.query_one("#difference", Panel).redraw()
        head = self.query_one("#head", _Head)
        head.line = [
            (" candidate", "title"),
            (
                "  changed, not committed" if data.changed else "  same as running",
                "changed" if data.changed else "good",
            ),
            ("   + added  - deleted  ~ changed; right: running", "dim"),
        ]
        pending = data.history.pending
        if pending:
            left = duration(pending.seconds)
            text = f" commit by {pending.by}: rolled back in {left} unless confirmed (y) or aborted (a) "
            head.line = [(text, "caution")]
        elif data.others:
            head.line = [*head.line, (f"  {data.others[0].user} is editing, too", "warn")]
        head.redraw()

    def _difference(self, width: int, height: int) -> Iterator[Line]:
        if not self.data:
            return
        lines = diff_lines(difference(self.data.running, self.data.candidate))
        if not lines:
            yield [("no difference", "dim")]
        if len(lines) > height:
            lines = [*lines[: height - 1], [(f"… {len(lines) - height + 1} more lines: d shows all", "dim")]]
        yield from lines

    # Keys

    def action_difference(self) -> None:
        if self.data:
            text = difference(self.data.running, self.data.candidate)
            self.app.push_screen(
                TextView("Changes to the running configuration", diff_lines(text or "no difference\n"))
            )

    def action_check(self) -> None:
        self._do(lambda client: client.commit(check=True), _checked)

    def action_commit(self) -> None:
        background(self, self._commit(), "commit")

    def action_confirmed(self) -> None:
        background(self, self._confirmed(), "commit")

    def action_confirm(self) -> None:
        if not (self.data and self.data.history.pending):
            self.complain("confirm: no commit is pending")
            return
        # The head of the screen says whose commit it is.
        self._do(lambda client: client.commit(and_confirm=True), lambda _: "commit confirmed")

    def action_abort(self) -> None:
        background(self, self._abort(), "commit")

    def action_history(self) -> None:
        self.app.push_screen(HistoryScreen(), lambda _: self.look())

    def action_rollback(self) -> None:
        background(self, self._rollback(), "commit")

    def action_statement(self) -> None:
        hint = "set … or delete … in the candidate"
        self.query_one(Prompt).open("=", "set ", hint, self._back)

    def _back(self) -> None:
        self.query_one(ConfigurationTree).focus()

    async def _commit(self) -> None:
        comment = await self.app.push_screen_wait(Ask("Commit the candidate. Comment (optional):"))
        if comment is not None:
            self._do(
                lambda client: client.commit(comment=comment or None),
                _committed,
                lambda client: client.commit(comment=comment or None, and_confirm=True),
            )

    async def _confirmed(self) -> None:
        minutes = await self.app.push_screen_wait(Ask("Commit confirmed: minutes until rollback:", "10"))
        if minutes is None:
            return
        if not (minutes.isascii() and minutes.isdigit() and 1 <= int(minutes[:9]) <= MOST_MINUTES):
            self.complain(f"{minutes}: expected minutes from 1 to {MOST_MINUTES}")
            return
        self._do(lambda client: client.commit(confirmed=int(minutes)), _committed)

    async def _abort(self) -> None:
        if not (self.data and self.data.history.pending):
            self.complain("abort: no commit is pending")
        elif await self.app.push_screen_wait(Question("Roll back the pending commit?")):
            self._do(lambda client: client.abort(), lambda _: "commit rolled back")

    async def _rollback(self) -> None:
        number = await self.app.push_screen_wait(
            Ask("Load into the candidate: commit number (0 is running) or rescue:", "0")
        )
        if number:
            wanted: int | str = int(number) if number.isascii() and number.isdigit() else number
            self._do(
                lambda client: client.rollback(wanted),
                lambda _: f"commit {number} loaded into the candidate; not committed",
            )

    def on_prompt_entered(self, event: Prompt.Entered) -> None:
        if event.kind != "=":
            return
        event.stop()
        from snatsh.shell.core.lexer import lex

        words = [token.text for token in lex(event.text).tokens]
        if len(words) < 2 or words[0] not in ("set", "delete"):
            self.complain(f"{event.text}: expected set … or delete …")
            return
        verb: Any = words[0]
        self._do(lambda client: client.edit([Statement(verb, words[1:])]), lambda _: "")

    def _do(self, action: _Action, tell: Callable[[Any], str], permitted: _Action | None = None) -> None:
        """Carry out an action and show its result. permitted: the same, once the operator has said yes."""
        background(self, self._done(action, tell, permitted), "commit")

    async def _done(self, action: _Action, tell: Callable[[Any], str], permitted: _Action | None) -> None:
        try:
            found = await asyncio.to_thread(action, console_of(self.app).client)
        except ConfirmsOthers as error:
            confirms: bool = await self.app.push_screen_wait(Question(f"{error}\n\nConfirm it?"))
            if confirms and permitted:
                await self._done(permitted, tell, None)
        except Rejected as error:
            problems = "".join(f"{' '.join(one.path)}: {one.reason}\n" for one in error.problems)
            await self.app.push_screen(TextView("Failed", plain_lines(f"{error}\n{problems}")))
        except ClientError as error:
            self.complain(str(error))
        else:
            if text := tell(found):
                self.notify(text, markup=False)
        self.look()


def _warnings(done: CommitResult) -> str:
    return "".join(f"\nwarning: {' '.join(row.path)}: {row.reason}" for row in done.warnings)


def _checked(done: CommitResult) -> str:
    return f"configuration check succeeds{_warnings(done)}"


def _committed(done: CommitResult) -> str:
    ended = f"; {done.ended_flows:,} flows ended" if done.ended_flows else ""
    return f"commit complete in {done.milliseconds:.0f} ms{ended}{_warnings(done)}"
