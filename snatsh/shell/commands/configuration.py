# SPDX-License-Identifier: Apache-2.0
"""Editing the candidate: `set`, `delete`, `edit`, `show` and the edit path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from snatsh.api.configuration import Statement
from snatsh.client import ClientError
from snatsh.shell.core.answers import CONFIGURATION, Answer, Configuration, Message, ShellError
from snatsh.shell.core.command import Argument, Command, CommandSet, Flag
from snatsh.shell.core.grammar import Call, State
from snatsh.shell.core.session import Session
from snatsh.shell.core.statements import StatementScope, Words, parent, statement
from snatsh.shell.core.values import number

CONFIGURE = CommandSet()


_DEEPEST = 20
LEAVING = "Exiting configuration mode"


def commands(edit: Words, start: Callable[[], State], run: Callable[[], State]) -> list[Command]:
    """Return the commands whose grammar depends on the edit path.

    start: the grammar at the top level. run: the grammar of `run`.
    """

    def command(word: str, help_: str, call: Callable[..., Any], **reach: Any) -> Command:
        answers = CONFIGURATION if call is show else None

        def finish(path: Words) -> Call:
            return Call(call, {"path": path}, answers)

        return Command((word,), help_, call, start=lambda: statement(edit, StatementScope(finish, **reach)))

    def top_state() -> State:
        return State(start().choices, Call(top), of_commands=True)

    return [
        Command(("set",), "Set a statement", set_, start=lambda: statement(edit, _setting())),
        command("delete", "Delete a statement and everything below it", delete),
        command("edit", "Edit a level of the configuration", edit_, containers_only=True, at_start=False),
        command("show", "Show the candidate configuration", show, with_values=False),
        Command(("top",), "Exit to the top level, or run a command from there", top, start=top_state),
        Command(("run",), "Run an operational command", top, start=run),
    ]


def _setting() -> StatementScope:
    """Return the scope of `set`, which takes several statements about one container."""

    def finish(path: Words) -> Call:
        return Call(set_, {"path": path})

    def chain(given: tuple[Words, ...]) -> Callable[[Words], Call]:
        return lambda path: Call(set_, {"path": path, "before": given})

    return StatementScope(finish, must_end=True, at_start=False, existing=False, chain=chain)


def set_(session: Session, path: Words, before: tuple[Words, ...] = ()) -> Answer:
    session.client.edit([Statement("set", words) for words in (*before, path)])
    return Message("")


def delete(session: Session, path: Words) -> Answer:
    if path == session.edit and not session.terminal.confirm(
        "Delete everything under this level?", default=False
    ):
        raise ShellError("delete cancelled; nothing was deleted")
    if not path:
        session.client.replace_candidate({})
        return Message("")
    session.client.edit([Statement("delete", path)])
    return Message("")


def edit_(session: Session, path: Words) -> Answer:
    session.go(path)
    return Message("")


def show(session: Session, path: Words) -> Answer:
    return Configuration(session.client.candidate().document, path)


def top(session: Session) -> Answer:
    session.go(())
    return Message("")


@CONFIGURE.command(
    "up", "Exit to a higher level", Argument("levels", "Number of levels (default 1)", number(1, _DEEPEST))
)
def up(session: Session, levels: int = 1) -> Answer:
    path = session.edit
    for _ in range(levels):
        path = parent(path)
    session.go(path)
    return Message("")


_CHANGED = "The configuration has been changed but not committed"
_QUESTION = f"{_CHANGED}\nExit with uncommitted changes?"
_DISCARD = f"{_CHANGED}\nDiscard uncommitted changes?"
_AT_ONCE = Flag("configuration_mode", "Exit configuration mode from any level")


@CONFIGURE.command("exit", "Exit to the previous level or exit configuration mode", _AT_ONCE)
@CONFIGURE.command("quit", "Exit to the previous level or exit configuration mode", _AT_ONCE)
def leave(session: Session, configuration_mode: bool = False) -> Answer:
    if session.edit and not configuration_mode:
        session.back()
        return Message("")
    question = _QUESTION if session.edit_mode == "shared" else _DISCARD
    if _uncommitted(session) and not session.terminal.confirm(question, default=True):
        return Message("")
    session.leave_configuration()
    return Message(LEAVING)


def _uncommitted(session: Session) -> bool:
    """Whether the candidate has changes; no when snatd cannot be reached, so that leaving works."""
    try:
        return session.client.candidate().changed
    except ClientError:
        return False


@CONFIGURE.command("status", "Show users editing the configuration")
def status(session: Session) -> Answer:
    editing = session.client.sessions(own=True)
    return Message(
        "\n".join(["Users currently editing the configuration:", *(f"  {one.text}" for one in editing)])
    )


@CONFIGURE.command("help", "Show help on the CLI")
def help_(session: Session) -> Answer:
    return Message(session.overview())
