# SPDX-License-Identifier: Apache-2.0
"""Settings of the shell: `set cli`, `show cli`, `start shell`, `help apropos`."""

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

_WIDTH = Argument("columns", "Number of columns; 0 for unlimited", number(0, 10_000))
_LENGTH = Argument("lines", "Number of lines; 0 disables paging", number(0, 100_000))
_MINUTES = Argument("minutes", "Minutes of inactivity; 0 disables the timeout", number(0, 100_000))


def _on_or_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError("expected on or off")
    return text == "on"


_SWITCH = Argument("on", "on or off", Value("<on|off>", _on_or_off))


@OPERATIONAL.command("set cli screen-width", "Set the screen width", _WIDTH, ready=bool)
def screen_width(session: Session, columns: int) -> Answer:
    session.settings.screen_width = columns
    return Message(f"Screen width set to {columns}")


@OPERATIONAL.command("set cli screen-length", "Set the number of lines per page", _LENGTH, ready=bool)
def screen_length(session: Session, lines: int) -> Answer:
    session.settings.screen_length = lines
    return Message(f"Screen length set to {lines}")


@OPERATIONAL.command(
    "set cli complete-on-space", "Set whether Space completes a keyword", _SWITCH, ready=bool
)
def complete_on_space(session: Session, on: bool) -> Answer:
    session.settings.complete_on_space = on
    return Message(f"{'Enabling' if on else 'Disabling'} complete-on-space")


@OPERATIONAL.command("set cli idle-timeout", "Set the idle timeout of this session", _MINUTES, ready=bool)
def idle_timeout(session: Session, minutes: int) -> Answer:
    session.settings.idle_minutes = minutes
    return Message(f"Idle timeout set to {plural(minutes, 'minute')}" if minutes else "Idle timeout disabled")


@OPERATIONAL.command("set cli timestamp", "Set whether output starts with a timestamp", _SWITCH, ready=bool)
def timestamp(session: Session, on: bool) -> Answer:
    session.settings.timestamp = on
    return Message(f"CLI timestamp {'enabled' if on else 'disabled'}")


@OPERATIONAL.command("show cli", "Show the settings of this session", answers=TABLE)
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


@OPERATIONAL.command("show cli history", "Show the command history of this session", answers=TABLE)
def show_history(session: Session) -> Answer:
    return TableAnswer(list(session.history), lambda lines: "".join(f"  {line}\n" for line in lines))


def _shell(text: str) -> str:
    if text not in _SHELLS:
        raise ValueError(f"expected one of: {', '.join(_SHELLS)}")
    return text


@OPERATIONAL_ONLY.command("cli", "No effect; the CLI is already running")
def cli(_session: Session) -> Answer:
    return Message("")


@OPERATIONAL_ONLY.command(
    "start shell",
    "Start a Unix shell; requires role admin",
    Argument("kind", "Shell to start", Value("<sh|bash>", _shell)),
)
def start_shell(session: Session, kind: str = "sh") -> Answer:
    role = session.client.version().role
    if role != "admin":
        raise ShellError(f"start shell: permission denied; role is {role}, expected admin")
    with session.terminal.released():
        subprocess.run([_SHELLS[kind]], check=False)
    return Message("")


@OPERATIONAL.command(
    "help apropos",
    "List commands related to a word",
    Argument("word", "Word to search for", Value("<word>")),
    ready=bool,
)
def apropos(session: Session, word: str) -> Answer:
    found = sorted(set(_mentioning(session.grammar(), word.lower(), ())))
    width = max((len(name) for name, _ in found), default=0)
    lines = [f"{name:<{width}}  {help_}".rstrip() for name, help_ in found]
    return Message("\n".join(lines) if lines else f"no command matches {word}")


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
    """Return the state after a keyword; a value has none without its text."""
    return choice.then(choice.name) if choice.value is None else None
