# SPDX-License-Identifier: Apache-2.0
"""Pipes: filters and formats of output."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

from snatsh.shell.core.answers import CONFIGURATION, DETAIL, Configuration, ShellError
from snatsh.shell.core.command import Argument, Command, CommandSet, Flag, Option, start_of_line
from snatsh.shell.core.grammar import Call, State, Value
from snatsh.shell.core.product import Product
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import COMMITTED, FILE, number
from snatsh.shell.render.text import json_text, plural, yaml_text

_pipes = CommandSet()
_configuration_pipes = CommandSet()
_detail_pipes = CommandSet()


def grammar(call: Call) -> State:
    """Return the grammar of the pipes for the output of a call."""
    if call.answers is None:
        return State(())
    extra: list[Command] = []
    if call.answers == CONFIGURATION:
        extra = [*_configuration_pipes, *_dialect_pipes()]
    elif call.answers == DETAIL:
        extra = [*_detail_pipes]
    return start_of_line([*_pipes, *extra], {"display": "Show in another format"})


def all_commands() -> list[Command]:
    """Return every pipe."""
    return [*_pipes, *_configuration_pipes, *_dialect_pipes(), *_detail_pipes]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"expected a regular expression ({error})") from None


_LINES = Argument("lines", "Number of lines (default 10)", number(1, 1_000_000))
_PATTERN = Argument("pattern", "Regular expression, case-insensitive", Value("<pattern>", _pattern))


@_pipes.command("json", "Show in JSON format")
@_pipes.command("display json", "Show in JSON format")
def as_json(_session: Session, product: Product) -> Product:
    return product.of_text(json_text(product.whole_answer("json").data))


@_detail_pipes.command("display detail", "Show the steps and their duration")
def as_detail(_session: Session, product: Product) -> Product:
    return product.of_text(product.whole_answer("display").display("detail"))


@_configuration_pipes.command("display inheritance", "Show defaults as well")
def with_defaults(_session: Session, product: Product) -> Product:
    return product.of_text(product.whole_answer("display").display("inheritance"))


@_configuration_pipes.command("display set", "Show as set commands")
def as_set(_session: Session, product: Product) -> Product:
    return product.of_text(product.whole_answer("display").display("set"))


@cache
def _dialect_pipes() -> CommandSet:
    """The pipes that write a configuration in a dialect. Dialects are loaded when first completed."""
    from snatsh.interop.dialects import DIALECTS

    found = CommandSet()
    for dialect in DIALECTS:
        if dialect.write is not None:
            _as_dialect(found, dialect.name, dialect.write_help)
    return found


def _as_dialect(found: CommandSet, dialect: str, help_: str) -> None:
    @found.command(f"display {dialect}", help_)
    def show(_session: Session, product: Product) -> Product:
        return product.of_text(product.whole_answer("display").display(dialect))


@_pipes.command("yaml", "Show in YAML format")
@_pipes.command("display yaml", "Show in YAML format")
def as_yaml(_session: Session, product: Product) -> Product:
    answer = product.whole_answer("yaml")
    if isinstance(answer, Configuration):
        return product.of_text(answer.display("yaml"))
    return product.of_text(yaml_text(answer.data))


@_configuration_pipes.command(
    "compare",
    "Compare with a committed configuration",
    Option("rollback", "Number of the commit to compare with, or rescue", COMMITTED),
    Flag("impact", "Show what a commit of the candidate would do to the traffic of now"),
)
def compare(session: Session, product: Product, rollback: int | str = 0, impact: bool = False) -> Product:
    answer = product.whole_answer("compare")
    if impact:
        if rollback:
            raise ShellError("compare: impact is that of the candidate; expected no rollback beside it")
        effects = [effect.text for effect in session.impact()]
        return product.of_lines(effects or ["no effect on the traffic of now"])
    if not isinstance(answer, Configuration):
        raise ShellError("compare: expected a configuration; compare must be the first pipe")
    difference = session.difference(answer, rollback)
    return replace(product, answer=difference, kind=difference.kind)


@_pipes.command("match", "Show only lines that match a pattern", _PATTERN, ready=bool)
def match(_session: Session, product: Product, pattern: re.Pattern[str]) -> Product:
    return product.of_lines([line for line in product.lines() if pattern.search(line)])


@_pipes.command("except", "Show only lines that do not match a pattern", _PATTERN, ready=bool)
def except_(_session: Session, product: Product, pattern: re.Pattern[str]) -> Product:
    return product.of_lines([line for line in product.lines() if not pattern.search(line)])


@_pipes.command("find", "Start at the first line that matches a pattern", _PATTERN, ready=bool)
def find(_session: Session, product: Product, pattern: re.Pattern[str]) -> Product:
    lines = product.lines()
    start = next((at for at, line in enumerate(lines) if pattern.search(line)), len(lines))
    return product.of_lines(lines[start:])


@_pipes.command("count", "Count lines")
def count(_session: Session, product: Product) -> Product:
    return product.of_text(f"Count: {plural(len(product.lines()), 'line')}\n")


@_pipes.command("first", "Show the first lines", _LINES)
def first(_session: Session, product: Product, lines: int = 10) -> Product:
    return product.of_lines(product.lines()[:lines])


@_pipes.command("last", "Show the last lines", _LINES)
def last(_session: Session, product: Product, lines: int = 10) -> Product:
    return product.of_lines(product.lines()[-lines:])


@_pipes.command(
    "trim",
    "Trim characters from the start of each line",
    Argument("columns", "Number of characters", number(1, 1000)),
    ready=bool,
)
def trim(_session: Session, product: Product, columns: int) -> Product:
    return product.of_lines([line[columns:] for line in product.lines()])


@_pipes.command(
    "sort", "Sort lines below the heading",
    Argument("column", "Column number; the whole line when omitted", number(1, 100)),
    Flag("reverse", "Sort in descending order"),
)  # fmt: skip
def sort(_session: Session, product: Product, column: int = 0, reverse: bool = False) -> Product:
    head, *body = product.lines() or [""]
    return product.of_lines([head, *sorted(body, key=lambda line: _sort_key(line, column), reverse=reverse)])


def _sort_key(line: str, column: int) -> tuple[int, Any]:
    """Return a key that sorts numbers and addresses by value and all else as text."""
    words = line.split()
    word = (words[column - 1] if column <= len(words) else "") if column else line
    number_ = re.fullmatch(r"([0-9][0-9,]*(?:\.[0-9]+)?)([KMGTPE]?)%?", word)
    if number_:
        power = " KMGTPE".index(number_[2] or " ")
        return 0, (float(number_[1].replace(",", "")) * 1000**power,)
    if re.fullmatch(r"[0-9.]+(?::[0-9]+)?(?:/[0-9]+)?", word):
        return 1, tuple(int(part) for part in re.findall("[0-9]+", word))
    return 2, (word,)


@_pipes.command("resolve", "Resolve IP addresses to names")
def resolve(_session: Session, product: Product) -> Product:
    from snatsh.shell.pipes.resolver import with_names

    return product.of_text(with_names(product.text))


_FILE = Argument("file", "File name", FILE)


@_pipes.command("save", "Save output to a file", _FILE, ready=bool)
def save(session: Session, product: Product, file: str) -> Product:
    session.client.write_file(file, product.text)
    return product.of_text(f"Wrote {plural(len(product.lines()), 'line')} of output to '{file}'\n")


@_pipes.command("append", "Append output to a file", _FILE, ready=bool)
def append(session: Session, product: Product, file: str) -> Product:
    session.client.write_file(file, product.text, append=True)
    return product.of_text(f"Appended {plural(len(product.lines()), 'line')} of output to '{file}'\n")


@_pipes.command("tee", "Save output to a file and show it", _FILE, ready=bool)
def tee(session: Session, product: Product, file: str) -> Product:
    session.client.write_file(file, product.text)
    return product


@_pipes.command("hold", "Hold output at the end of the last page")
def hold(_session: Session, product: Product) -> Product:
    return replace(product, paged=True, held=True)


@_pipes.command("refresh", "Repeat the command until a key is pressed", Argument(
    "seconds", "Refresh interval in seconds (default 2)", number(1, 3600)))  # fmt: skip
def refresh(_session: Session, product: Product, seconds: int = 2) -> Product:
    return replace(product, refresh=seconds)


@_pipes.command("no-more", "Do not paginate output")
def no_more(_session: Session, product: Product) -> Product:
    return replace(product, paged=False)
