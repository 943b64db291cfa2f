"""Pipes: what can be done to an answer on its way to the screen."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from snatsh.shell.answers import Answer, Configuration, ShellError
from snatsh.shell.commands import Argument, Option, Registry, number
from snatsh.shell.grammar import Call, State, Value
from snatsh.shell.text import json_text, plural, printable

if TYPE_CHECKING:
    from snatsh.shell.session import Session

TABLE = "table"
CONFIGURATION = "configuration"
DETAIL = "detail"
"""The answer has more to say, with `display detail`."""

_COMMITTED = number(0, 49, ("live", "history"))


@dataclass(frozen=True, slots=True)
class Product:
    """What flows through the pipes: an answer, until the first pipe that wants text."""

    answer: Answer | None
    body: str = ""
    paged: bool = True

    @property
    def text(self) -> str:
        """Ready for a terminal. Escaped before lines are counted or matched: what counts is what is seen."""
        return printable(self.body if self.answer is None else self.answer.text())

    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1] if self.text.endswith("\n") else self.text.split("\n")

    def of_lines(self, lines: list[str]) -> Product:
        return self.of_text("".join(f"{line}\n" for line in lines))

    def of_text(self, text: str) -> Product:
        return replace(self, answer=None, body=text)

    def whole_answer(self, pipe: str) -> Answer:
        if self.answer is None:
            raise ShellError(f"{pipe}: the answer is only text by now; put {pipe} before the other pipes")
        return self.answer


_pipes = Registry()
_configuration_pipes = Registry()
_detail_pipes = Registry()


def grammar(call: Call) -> State:
    """The pipes that fit what a call answers."""
    if call.answers is None:
        return State(())
    extra = {CONFIGURATION: _configuration_pipes, DETAIL: _detail_pipes}.get(
        call.answers, Registry()
    ).commands
    return _pipes.state({"display": "Show in another form"}, extra)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from None


_PATTERN = Argument("pattern", "Regular expression, upper and lower case alike", Value("<pattern>", _pattern))


@_pipes.command("json", "Show as JSON")
@_pipes.command("display json", "Show as JSON")
def as_json(_session: Session, product: Product) -> Product:
    return product.of_text(json_text(product.whole_answer("json").data))


@_detail_pipes.command("display detail", "Show step by step what was done")
def as_detail(_session: Session, product: Product) -> Product:
    return product.of_text(product.whole_answer("display").display("detail"))


@_configuration_pipes.command("display set", "Show as set commands")
def as_set(_session: Session, product: Product) -> Product:
    return product.of_text(product.whole_answer("display").display("set"))


@_configuration_pipes.command("display yaml", "Show as YAML")
def as_yaml(_session: Session, product: Product) -> Product:
    return product.of_text(product.whole_answer("display").display("yaml"))


@_configuration_pipes.command(
    "compare",
    "Show what changed since a committed configuration",
    Option("rollback", "Number of the configuration to compare with", _COMMITTED),
)
def compare(session: Session, product: Product, rollback: int = 0) -> Product:
    answer = product.whole_answer("compare")
    if not isinstance(answer, Configuration):
        raise ShellError("compare: this is no configuration; put compare first")
    return replace(product, answer=session.difference(answer, rollback))


@_pipes.command("match", "Show only lines that match", _PATTERN, ready=bool)
def match(_session: Session, product: Product, pattern: re.Pattern[str]) -> Product:
    return product.of_lines([line for line in product.lines() if pattern.search(line)])


@_pipes.command("except", "Show only lines that do not match", _PATTERN, ready=bool)
def except_(_session: Session, product: Product, pattern: re.Pattern[str]) -> Product:
    return product.of_lines([line for line in product.lines() if not pattern.search(line)])


@_pipes.command("count", "Count the lines")
def count(_session: Session, product: Product) -> Product:
    return product.of_text(f"Count: {plural(len(product.lines()), 'line')}\n")


@_pipes.command("no-more", "Do not pause after each screenful")
def no_more(_session: Session, product: Product) -> Product:
    return replace(product, paged=False)
