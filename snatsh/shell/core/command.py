# SPDX-License-Identifier: Apache-2.0
"""Declaration of commands: words, parameters and a typed function. The grammar is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from snatsh.shell.core.grammar import Call, Choice, State, Value

Bound = Mapping[str, Any]
Ready = Callable[[Bound], bool]


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional value, at most one per command, before or instead of its options."""

    name: str
    help: str
    value: Value


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword with a value. choices: accepted words, instead of a free value.

    default: the value when it is omitted, if it may be.
    """

    name: str
    help: str
    value: Value | None = None
    choices: tuple[str, ...] = ()
    alone: bool = False
    default: Any = None

    @property
    def word(self) -> str:
        return self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Flag:
    """A keyword without a value. alone: excludes other parameters."""

    name: str
    help: str
    alone: bool = False

    @property
    def word(self) -> str:
        return self.name.replace("_", "-")


Parameter = Argument | Option | Flag


def _always(_bound: Bound) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Command:
    """words: its name. run: called with the session and the bound parameters by name.

    ready: whether the bound parameters suffice. one_of: parameters of which exactly one is required.
    answers: see Call. start: a grammar instead of parameters.
    """

    words: tuple[str, ...]
    help: str
    run: Callable[..., Any]
    parameters: tuple[Parameter, ...] = ()
    ready: Ready = _always
    one_of: tuple[str, ...] = ()
    answers: str | None = None
    start: Callable[[], State] | None = None

    def state(self) -> State:
        """Return the state after the name of the command."""
        return self.start() if self.start is not None else self._gather({})

    def _gather(self, bound: Bound) -> State:
        """Return the state for further parameters: in any order, each once, an argument first."""
        choices: list[Choice] = []
        chosen = not self.one_of or any(name in bound for name in self.one_of)
        for parameter in self.parameters if not self._closed(bound) else ():
            taken = parameter.name in bound or (chosen and parameter.name in self.one_of)
            if not taken and not (bound and _first_only(parameter)):
                choices.append(self._choice(parameter, bound))
        call = Call(self.run, dict(bound), self.answers) if chosen and self.ready(bound) else None
        return State(tuple(choices), call)

    def _closed(self, bound: Bound) -> bool:
        return any(not isinstance(p, Argument) and p.alone and p.name in bound for p in self.parameters)

    def _choice(self, parameter: Parameter, bound: Bound) -> Choice:
        def bind(value: Any) -> State:
            return self._gather({**bound, parameter.name: value})

        if isinstance(parameter, Argument):
            return Choice(parameter.value.hint, parameter.help, bind, parameter.value)
        if isinstance(parameter, Flag):
            return Choice(parameter.word, parameter.help, lambda _: bind(True))
        return Choice(parameter.word, parameter.help, lambda _: self._option(parameter, bind))

    def _option(self, option: Option, bind: Callable[[Any], State]) -> State:
        value = _option_value(option, bind)
        if option.default is None:
            return value
        without = bind(option.default)
        return State(value.choices + without.choices, without.call)


def _first_only(parameter: Parameter) -> bool:
    return isinstance(parameter, Argument) or parameter.alone


def _option_value(option: Option, bind: Callable[[Any], State]) -> State:
    if option.choices:
        return State(tuple(Choice(word, "", bind) for word in option.choices))
    value = option.value or Value(f"<{option.word}>")
    return State((Choice(value.hint, option.help, bind, value),))


class CommandSet:
    """Commands that a module declares for one mode, or pipes of one kind."""

    def __init__(self) -> None:
        self._commands: list[Command] = []

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands)

    def command(
        self, words: str, help_: str, *parameters: Parameter, **extras: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the decorated function as a command."""

        def declare(run: Callable[..., Any]) -> Callable[..., Any]:
            self.add(Command(tuple(words.split()), help_, run, parameters, **extras))
            return run

        return declare

    def add(self, command: Command) -> None:
        """Add a command, such as one with its own grammar."""
        self._commands.append(command)


def start_of_line(commands: Iterable[Command], groups: Mapping[str, str]) -> State:
    """Return the state at the start of a line. groups: help of words that only begin names."""
    return word_state(list(commands), 0, groups)


def word_state(commands: list[Command], depth: int, groups: Mapping[str, str]) -> State:
    """Return the choice among commands that share their first `depth` words."""
    branches: dict[str, list[Command]] = {}
    for command in commands:
        branches.setdefault(command.words[depth], []).append(command)
    choices = tuple(_branch(word, branch, depth, groups) for word, branch in sorted(branches.items()))
    return State(choices, of_commands=True)


def _branch(word: str, branch: list[Command], depth: int, groups: Mapping[str, str]) -> Choice:
    if len(branch) == 1 and len(branch[0].words) == depth + 1:
        return Choice(word, branch[0].help, lambda _: branch[0].state())
    name = " ".join(branch[0].words[: depth + 1])
    own = [command.help for command in branch if len(command.words) == depth + 1]
    return Choice(word, own[0] if own else groups.get(name, ""), lambda _: _group(branch, depth, groups))


def _group(branch: list[Command], depth: int, groups: Mapping[str, str]) -> State:
    """What may follow words that begin several names, and may be a name by themselves."""
    longer = [command for command in branch if len(command.words) > depth + 1]
    inner = word_state(longer, depth + 1, groups)
    for command in branch:
        if len(command.words) == depth + 1:
            own = command.state()
            return State((*own.choices, *inner.choices), own.call)
    return inner
