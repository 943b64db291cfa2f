# SPDX-License-Identifier: Apache-2.0
"""The grammar as a state machine, and parsing of a line by it.

A state holds the possible next words and the call that Enter runs. Operational commands, configuration
statements and pipes are all states, so parsing, completion, help and error positions are implemented once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snatsh.model.errors import SnatshError
from snatsh.shell.core.lexer import Line, Token, lex

Source = tuple[str, ...]
"""Where suggestions come from: ("live", kind) from snatd, ("candidate", *path) from the candidate."""

_WORDS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Value:
    """A word that is not a keyword. parse raises ValueError(reason) for a word it does not accept.

    text: takes precedence for a word in quotes.
    """

    hint: str
    parse: Callable[[str], Any] = str
    sources: tuple[Source, ...] = ()
    text: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What a complete command runs. answers: kind of its result for pipes, None for no pipes."""

    run: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    answers: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A possible next word. A keyword has no value; `then` receives the parsed value or the keyword."""

    name: str
    help: str
    then: Callable[[Any], State]
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class State:
    """choices: the possible next words. call: what Enter runs, None if the command is incomplete.

    of_commands: the choices are words of command names; errors say `unknown command`.
    """

    choices: tuple[Choice, ...]
    call: Call | None = None
    of_commands: bool = False

    @property
    def keywords(self) -> list[Choice]:
        return [choice for choice in self.choices if choice.value is None]

    @property
    def values(self) -> list[tuple[Choice, Value]]:
        return [(choice, choice.value) for choice in self.choices if choice.value is not None]


class CommandError(SnatshError):
    """A line that is not valid. column: start of the bad token. words: what was expected there."""

    def __init__(self, message: str, column: int, words: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.column = column
        self.words = tuple(words)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command and its pipes."""

    call: Call
    pipes: tuple[Call, ...] = ()


PipeGrammar = Callable[[Call], State]
"""Returns the pipes that the result of a call accepts."""


def parse(text: str, start: State, pipes: PipeGrammar) -> Parsed:
    """Parse a line; CommandError names the first bad token."""
    line = lex(text)
    if line.open_quote is not None:
        raise CommandError("syntax error: the quote is never closed", line.open_quote, ('"',))
    parts = split(line)
    call = _finish(walk(start, parts[0]), _end(parts, 0, text))
    following = []
    for index, part in enumerate(parts[1:], 1):
        state = pipes(call)
        if not state.choices:
            raise CommandError("syntax error: this command does not support pipes", part[0].start)
        following.append(_finish(walk(state, part[1:]), _end(parts, index, text)))
    return Parsed(call, tuple(following))


def split(line: Line) -> list[list[Token]]:
    """Return the tokens of the command, then those of each pipe, starting with `|`."""
    parts: list[list[Token]] = [[]]
    for token in line.tokens:
        if token.is_pipe:
            parts.append([])
        parts[-1].append(token)
    return parts


def _end(parts: list[list[Token]], index: int, text: str) -> int:
    """Return the column of a missing word of this part."""
    if index + 1 < len(parts):
        return parts[index + 1][0].start
    return len(text.rstrip()) + 1


def walk(state: State, tokens: Sequence[Token]) -> State:
    """Return the state after these tokens."""
    for token in tokens:
        state = step(state, token)
    return state


def step(state: State, token: Token) -> State:
    """Return the state after a token: an exact keyword, else a value, else a unique abbreviation."""
    abbreviated = []
    if not token.quoted:
        for choice in state.keywords:
            if choice.name == token.text:
                return choice.then(choice.name)
        abbreviated = [choice for choice in state.keywords if choice.name.startswith(token.text)]
    reasons = []
    for choice, value in sorted(state.values, key=lambda place: not (token.quoted and place[1].text)):
        try:
            parsed = value.parse(token.text)
        except ValueError as error:
            reasons.append(str(error))
        else:
            return choice.then(parsed)
    if len(abbreviated) == 1:
        return abbreviated[0].then(abbreviated[0].name)
    raise _unfit(state, token, abbreviated, reasons)


def _unfit(state: State, token: Token, abbreviated: list[Choice], reasons: list[str]) -> CommandError:
    words = [choice.name for choice in state.choices]
    if abbreviated:
        names = [choice.name for choice in abbreviated]
        return CommandError(f"'{token.text}' is ambiguous: {', '.join(names)}", token.start, names)
    if not words:
        return CommandError(f"syntax error: {token.text}: expected end of command", token.start)
    if reasons and not _similar(token, state):
        return CommandError(f"syntax error: {token.text}: {'; '.join(reasons)}", token.start, words)
    kind = "unknown command" if state.of_commands else "syntax error"
    return CommandError(f"{kind}: {token.text}; {_hint(token, state, words)}", token.start, words)


def _similar(token: Token, state: State) -> list[str]:
    names = [choice.name for choice in state.keywords]
    return difflib.get_close_matches(token.text, names, n=3, cutoff=0.65)


def _hint(token: Token, state: State, words: list[str]) -> str:
    close = _similar(token, state)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return expected(words)


def expected(words: Sequence[str]) -> str:
    """Return the expected words as the end of an error message."""
    shown = ", ".join(words[:_WORDS_SHOWN]) + (", …" if len(words) > _WORDS_SHOWN else "")
    return f"expected {shown}" if len(words) == 1 else f"expected one of: {shown}"


def _finish(state: State, column: int) -> Call:
    if state.call is None:
        words = [choice.name for choice in state.choices]
        raise CommandError(f"missing mandatory argument: {expected(words)}", column, words)
    return state.call
