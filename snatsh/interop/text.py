# SPDX-License-Identifier: Apache-2.0
"""Command lines as words with their locations, and words as values.

Quotes, comments, `;`, continued lines and `NAME=value` with `$NAME` are read as a shell reads them. Any other
expansion is refused, since its value is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from snatsh.interop.intermediate import SourceLocation
from snatsh.model.errors import FormError
from snatsh.model.limits import accept
from snatsh.model.values import (
    Address,
    AddressRange,
    PortRange,
    Prefix,
    containing_prefix,
    parse_address,
)

if TYPE_CHECKING:
    from lark import Lark

_TOKEN = re.compile(
    r"""(?P<ignored>[^\S\n]+|\#[^\n]*|\\\r?\n)
    |(?P<word>(?:[^\s"'#\\;]|\\[^\n]|"[^"\n]*"|'[^'\n]*')(?:[^\s"'\\;]|\\[^\n]|"[^"\n]*"|'[^'\n]*')*)
    |(?P<end>[\n;])""",
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_DASHES = str.maketrans({"\u2013": "-", "\u2014": "-", "\u2212": "-"})
_DASH_LIKE = ("\u2013", "\u2014", "\u2212")
_T = TypeVar("_T")
MAX_WORD = 10_000
MAX_NUMBER = 2**32 - 1


@dataclass(frozen=True, slots=True)
class ShellWord:
    """A word of the source, quotes and variables resolved."""

    text: str
    location: SourceLocation

    def refuse(self, reason: str) -> FormError:
        return FormError(f"'{self.text[:80]}': {reason}", self.location.line, self.location.column)


Line = tuple[ShellWord, ...]


def word(token: Any, strip: str = "") -> ShellWord:
    """A token of a parse tree, without what is to be stripped off its text."""
    text = str(token).strip(strip) if strip else str(token)
    return ShellWord(text, SourceLocation(token.line or 0, token.column or 0))


@cache
def _parser(grammar: str) -> Lark:
    from lark import Lark

    return Lark(grammar, parser="lalr", lexer="contextual")


def parse(grammar: str, text: str) -> Any:
    """The tree of a text; FormError says where it departs from the grammar."""
    from lark.exceptions import UnexpectedInput

    text = accept(text)
    try:
        return _parser(grammar).parse(text)
    except UnexpectedInput as error:
        line, column = max(getattr(error, "line", 0), 0), max(getattr(error, "column", 0), 0)
        found = getattr(error, "char", None) or str(getattr(error, "token", "") or "the end")
        raise FormError(f"unexpected {found!r}", line, column) from None


def lines(text: str) -> Iterator[Line]:
    """The command lines, with variables replaced."""
    known: dict[str, str] = {}
    for words in _raw_lines(text):
        assigned = _ASSIGNMENT.fullmatch(words[0].text) if len(words) == 1 else None
        if assigned:
            known[assigned[1]] = _plain(ShellWord(assigned[2], words[0].location), known)
            continue
        yield tuple(ShellWord(_plain(one, known), one.location) for one in words)


def _raw_lines(text: str) -> Iterator[list[ShellWord]]:
    """The words of each command as they are written. FormError at a quote that is not closed."""
    text = accept(text)
    words: list[ShellWord] = []
    number, start, at = 1, 0, 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        location = SourceLocation(number, at - start + 1)
        if token is None:
            raise FormError(f"unexpected {text[at]!r}", location.line, location.column)
        if token.lastgroup == "word":
            words.append(ShellWord(token[0], location))
        elif token.lastgroup == "end" and words:
            yield words
            words = []
        at = token.end()
        if token[0].endswith("\n"):
            number, start = number + 1, at
    if words:
        yield words


def _plain(word: ShellWord, known: Mapping[str, str]) -> str:
    """A word without quotes and with variables replaced."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in known:
            raise word.refuse(f"${name} is not set above; expected its value")
        return known[name]

    parts = re.findall(r"'([^'\n]*)'|\"([^\"\n]*)\"|\\(.)|([^'\"\\]+)", word.text)
    plain = ""
    for single, double, escaped, bare in parts:
        shown = double or bare
        if "`" in shown or "$(" in shown:
            raise word.refuse("command substitution is not run; expected the value")
        plain += single or escaped or _VARIABLE.sub(value, shown)
        if len(plain) > MAX_WORD:
            raise word.refuse(f"too long; expected at most {MAX_WORD:,} characters")
    return plain


def dashes(line: Line) -> Line:
    """The line with `-` for the dashes that word processors put in its place."""
    return tuple(
        ShellWord(word.text.translate(_DASHES), word.location) if word.text[0:1] in _DASH_LIKE else word
        for word in line
    )


@dataclass(frozen=True, slots=True)
class CommandOption:
    """An option and its value. name: canonical. negated: preceded by `!`."""

    name: str
    word: ShellWord
    value: ShellWord | None
    negated: bool = False

    @property
    def given(self) -> ShellWord:
        """Its value; the option itself where it takes none."""
        return self.value or self.word


def options(line: Line, table: Mapping[str, str]) -> list[CommandOption]:
    """The options of a line. table: canonical name by option, ending in `=` where a value follows."""
    found: list[CommandOption] = []
    rest, negated = list(reversed(line)), False
    while rest:
        word = rest.pop()
        if word.text == "!":
            negated = True
            continue
        name, equals, joined = word.text.partition("=")
        if not word.text.startswith("--"):
            name, equals = word.text, ""
        if name not in table:
            near = get_close_matches(name, table, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {' '.join(sorted(table))}"
            raise word.refuse(f"unknown option; {hint}")
        canonical, value = table[name], None
        if canonical.endswith("="):
            if equals:
                value = ShellWord(joined, word.location)
            elif rest:
                value = rest.pop()
                if value.text == "!" and rest:  # the old order, `-s ! 10.0.0.0/8`
                    negated, value = True, rest.pop()
            else:
                raise word.refuse("expected a value")
        elif equals:
            raise word.refuse("expected no value")
        found.append(CommandOption(canonical.rstrip("="), word, value, negated))
        negated = False
    return found


def prefix(word: ShellWord) -> tuple[Prefix, bool]:
    """A prefix, `/24` or `/255.255.255.0`; and whether host bits were set, which are cleared."""
    found = _value(word, containing_prefix)
    address, _, length = word.text.partition("/")
    return found, bool(length) and parse_address(address) != found.network_address


def given_prefix(found: Prefix) -> Prefix | None:
    """The prefix, None where it matches any address."""
    return found if found.prefixlen else None


def address(word: ShellWord) -> Address:
    return _value(word, parse_address)


def address_range(word: ShellWord) -> AddressRange:
    return _value(word, AddressRange.parse)


def port_range(word: ShellWord, text: str) -> PortRange:
    return _value(ShellWord(text, word.location), PortRange.parse)


def _value(word: ShellWord, parse: Callable[[str], _T]) -> _T:
    """The value of a word; FormError at its location."""
    try:
        return parse(word.text)
    except ValueError as error:
        raise word.refuse(str(error)) from None


def number(word: ShellWord) -> int:
    """A number of 32 bits, decimal or as C writes it."""
    try:
        value = int(word.text, 0)
    except ValueError:
        raise word.refuse("expected a number") from None
    if not 0 <= value <= MAX_NUMBER:
        raise word.refuse(f"expected a number from 0 to {MAX_NUMBER}")
    return value


def interface(word: ShellWord) -> str:
    if not re.fullmatch(r"[^\s/:{}\[\];|#\"'\\\x00-\x1f\x7f-\x9f]{1,15}", word.text):
        raise word.refuse("expected an interface name of up to 15 characters")
    return word.text
