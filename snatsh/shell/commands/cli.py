# SPDX-License-Identifier: Apache-2.0
"""The session itself: `set cli`, `show cli`, `cli`, `start shell`, help by word."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from snatsh.shell.core.answers import TABLE, Answer, Message, ShellError, TableAnswer
from snatsh.shell.core.command import Argument, CommandSet
from snatsh.shell.core.grammar import Choice, State, Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import number
from snatsh.shell.render import system_tables
from snatsh.shell.render.text import plural

OPERATIONAL = CommandSet()
OPERATIONAL_ONLY = CommandSet()


_SHELLS = {"sh": "/bin/sh", "bash": "/bin/bash"}
_DEEPEST = 4

_WIDTH = Argument("columns", "Columns; 0 for no limit", number(0, 10_000))
_LENGTH = Argument("lines", "Lines; 0 for no pause", number(0, 100_000))
_MINUTES = Argument("minutes", "Minutes; 0 for never", number(0, 100_000))


def _on_or_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("expected on or off")
    return text == "on"


_SWITCH = Argument("on", "on or off", Value("<on|off>", _on_or_off))


@OPERATIONAL.command("set cli screen-width", "How wide the terminal is", _WIDTH, ready=bool)
def screen_width(session: Session, columns: int) -> Answer:
    session.settings.screen_width = columns
    return Message(f"Screen width set to {columns}")


@OPERATIONAL.command("set cli screen-length", "After how many lines to pause", _LENGTH, ready=bool)
def screen_length(session: Session, lines: int) -> Answer:
    session.settings.screen_length = lines
    return Message(f"Screen length set to {lines}")


@OPERATIONAL.command("set cli complete-on-space", "Whether a blank completes a word", _SWITCH, ready=bool)
def complete_on_space(session: Session, on: bool) -> Answer:
    session.settings.complete_on_space = on
    return Message(f"{'Enabling' if on else 'Disabling'} complete-on-space")


@OPERATIONAL.command("set cli idle-timeout", "Leave after so long without a key", _MINUTES, ready=bool)
def idle_timeout(session: Session, minutes: int) -> Answer:
    session.settings.idle_minutes = minutes
    return Message(f"Idle timeout set to {plural(minutes, 'minute')}" if minutes else "Idle timeout disabled")


@OPERATIONAL.command("set cli timestamp", "Show the time before each answer", _SWITCH, ready=bool)
def timestamp(session: Session, on: bool) -> Answer:
    session.settings.timestamp = on
    return Message(f"CLI timestamp {'enabled' if on else 'disabled'}")


@OPERATIONAL.command("show cli", "The settings of this session", answers=TABLE)
def show_cli(session: Session) -> Answer:
    settings = session.settings
    return TableAnswer(
        {
            "complete-on-space": "on" if settings.complete_on_space else "off",
            "idle-timeout": settings.idle_minutes,
            "screen-length": settings.screen_length,
            "screen-width": settings.screen_width,
            "timestamp": "on" if settings.timestamp else "off",
        },
        system_tables.settings,
    )


@OPERATIONAL.command("show cli history", "What was entered in this session", answers=TABLE)
def show_history(session: Session) -> Answer:
    return TableAnswer(list(session.history), lambda lines: "".join(f"  {line}\n" for line in lines))


def _shell(text: str) -> str:
    if text not in _SHELLS:
        raise ValueError(f"expected one of: {', '.join(_SHELLS)}")
    return text


@OPERATIONAL_ONLY.command("cli", "You are here already")
def cli(_session: Session) -> Answer:
    return Message("")


@OPERATIONAL_ONLY.command(
    "start shell",
    "A Unix shell, for administrators",
    Argument("kind", "Which one", Value("<sh|bash>", _shell)),
)
def start_shell(session: Session, kind: str = "sh") -> Answer:
    role = session.client.version().role
    if role != "admin":
        raise ShellError(f"start shell: your role is {role}; this needs admin")
    with session.terminal.released():
        subprocess.run([_SHELLS[kind]], check=False)
    return Message("")


@OPERATIONAL.command(
    "help apropos",
    "Commands that have to do with a word",
    Argument("word", "The word", Value("<word>")),
    ready=bool,
)
def apropos(session: Session, word: str) -> Answer:
    found = sorted(set(_mentioning(session.grammar(), word.lower(), ())))
    width = max((len(name) for name, _ in found), default=0)
    lines = [f"{name:<{width}}  {help_}".rstrip() for name, help_ in found]
    return Message("\n".join(lines) if lines else f"nothing has to do with {word}")


def _mentioning(state: State, word: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for choice in state.choices:
        name = (*above, choice.name)
        if choice.value is None and (word in choice.name.lower() or word in choice.help.lower()):
            yield " ".join(name), choice.help
        if len(name) < _DEEPEST and choice.name not in above:
            inner = _next(choice)
            if inner is not None:
                yield from _mentioning(inner, word, name)


def _next(choice: Choice) -> State | None:
    """The state behind a keyword; behind values there is none without a value."""
    return choice.then(choice.name) if choice.value is None else None
