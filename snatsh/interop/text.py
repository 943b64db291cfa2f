# SPDX-License-Identifier: Apache-2.0
"""Command lines as words with their places, and words as values. Grammar by lark.

Quotes, comments, `;`, continued lines and `NAME=value` with `$NAME` are understood; everything else that a
shell would expand is refused, because its value can't be known.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedInput

from snatsh.interop.intermediate import SourceLocation
from snatsh.model.errors import FormError
from snatsh.model.limits import check_size
from snatsh.model.values import Address, AddressRange, PortRange, Prefix, parse_address, parse_prefix

_LINES = r"""
start: line? (_END line?)*
line: WORD+
WORD: /(?:[^\s"'#\\;]|\\[^\n]|"[^"\n]*"|'[^'\n]*')(?:[^\s"'\\;]|\\[^\n]|"[^"\n]*"|'[^'\n]*')*/
_END: /[\n;]/
%ignore /[^\S\n]+/
%ignore /#[^\n]*/
%ignore /\\\r?\n/
"""
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
_DASHES = str.maketrans({"\u2013": "-", "\u2014": "-", "\u2212": "-"})
_DASH_LIKE = ("\u2013", "\u2014", "\u2212")
MAX_WORD = 10_000
MAX_NUMBER = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class ShellWord:
    text: str
    place: SourceLocation

    def refuse(self, reason: str) -> FormError:
        return FormError(f"'{self.text[:80]}': {reason}", self.place.line, self.place.column)


Line = tuple[ShellWord, ...]


@cache
def _parser(grammar: str) -> Lark:
    return Lark(grammar, parser="lalr", lexer="contextual")


def parse(grammar: str, text: str) -> Any:
    """The tree of a text; FormError says where it stops to make sense."""
    check_size(text)
    try:
        return _parser(grammar).parse(text)
    except UnexpectedInput as error:
        line, column = max(getattr(error, "line", 0), 0), max(getattr(error, "column", 0), 0)
        found = getattr(error, "char", None) or str(getattr(error, "token", "") or "the end")
        raise FormError(f"can't be read from {found!r} on", line, column) from None


def lines(text: str) -> Iterator[Line]:
    """The command lines, variables put in."""
    known: dict[str, str] = {}
    for line in parse(_LINES, text).children:
        words = tuple(
            ShellWord(str(token), SourceLocation(token.line, token.column)) for token in line.children
        )
        assigned = _ASSIGNMENT.fullmatch(words[0].text) if len(words) == 1 else None
        if assigned:
            known[assigned[1]] = _plain(ShellWord(assigned[2], words[0].place), known)
            continue
        yield tuple(ShellWord(_plain(word, known), word.place) for word in words)


def _plain(word: ShellWord, known: Mapping[str, str]) -> str:
    """A word without quotes, its variables put in."""

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
            raise word.refuse("is the output of a command, which is not run here; expected the value")
        plain += single or escaped or _VARIABLE.sub(value, shown)
        if len(plain) > MAX_WORD:
            raise word.refuse(f"is too long; expected at most {MAX_WORD:,} characters")
    return plain


def dashes(line: Line) -> Line:
    """Options with the dashes that word processors make of `-`."""
    return tuple(
        ShellWord(word.text.translate(_DASHES), word.place) if word.text[0:1] in _DASH_LIKE else word
        for word in line
    )


@dataclass(frozen=True, slots=True)
class CommandOption:
    """name: canonical. value: None where it takes none. negated: a `!` stood before it."""

    name: str
    word: ShellWord
    value: ShellWord | None
    negated: bool = False

    @property
    def given(self) -> ShellWord:
        """Its value, where the table says that it takes one."""
        return self.value or self.word


def options(line: Line, table: Mapping[str, str]) -> list[CommandOption]:
    """Options of a line. table: option -> canonical name, with `=` at its end where a value follows."""
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
            raise word.refuse(f"is not known here; {hint}")
        canonical, value = table[name], None
        if canonical.endswith("="):
            if equals:
                value = ShellWord(joined, word.place)
            elif rest:
                value = rest.pop()
                if value.text == "!" and rest:  # the old order, `-s ! 10.0.0.0/8`
                    negated, value = True, rest.pop()
            else:
                raise word.refuse("needs a value; the line ends here")
        elif equals:
            raise word.refuse("takes no value")
        found.append(CommandOption(canonical.rstrip("="), word, value, negated))
        negated = False
    return found


def prefix(word: ShellWord) -> tuple[Prefix, bool]:
    """A prefix, `/24` or `/255.255.255.0`; and whether host bits were set and are cut off."""
    try:
        return parse_prefix(word.text), False
    except ValueError as error:
        try:
            return ipaddress.IPv4Interface(word.text).network, True
        except ValueError:
            raise word.refuse(str(error)) from None


def given_prefix(found: Prefix) -> Prefix | None:
    """None for what asks for nothing."""
    return found if found.prefixlen else None


def address(word: ShellWord) -> Address:
    try:
        return parse_address(word.text)
    except ValueError as error:
        raise word.refuse(str(error)) from None


def address_range(word: ShellWord) -> AddressRange:
    try:
        return AddressRange.parse(word.text)
    except ValueError as error:
        raise word.refuse(str(error)) from None


def port_range(word: ShellWord, text: str) -> PortRange:
    try:
        return PortRange.parse(text)
    except ValueError as error:
        raise word.refuse(str(error)) from None


def number(word: ShellWord) -> int:
    """Of 32 bits, decimal or as C writes it."""
    try:
        value = int(word.text, 0)
    except ValueError:
        raise word.refuse("expected a number") from None
    if not 0 <= value <= MAX_NUMBER:
        raise word.refuse(f"expected a number from 0 to {MAX_NUMBER}")
    return value


def prefixes_of(span: AddressRange) -> tuple[Prefix, ...]:
    """The prefixes that are exactly these addresses."""
    return tuple(ipaddress.summarize_address_range(span.first, span.last))


def interface(word: ShellWord) -> str:
    if not re.fullmatch(r"[^\s/:{}\[\];|#\"'\\\x00-\x1f\x7f-\x9f]{1,15}", word.text):
        raise word.refuse("expected an interface's name, up to 15 characters")
    return word.text
