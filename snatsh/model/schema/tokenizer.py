# SPDX-License-Identifier: Apache-2.0
r"""Words of the set and curly forms: bare, or in double quotes with `\"` and `\\`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from snatsh.model.errors import FormError

QUOTED = r'"(?:[^"\\\n]|\\[^\n])*"'
"""The pattern of a quoted word. A backslash before any other character is literal."""

_BARE = re.compile(r"[A-Za-z0-9_.:/,+@%=~-]+")
_ESCAPE = re.compile(r'\\(["\\])')
_TOKEN = re.compile(rf'(?P<quoted>{QUOTED})|(?P<bare>[^\s"]+)|(?P<open>")')


@dataclass(frozen=True, slots=True)
class Word:
    """column: 1-based."""

    text: str
    column: int


def quote(word: str) -> str:
    """The word, in quotes if it needs them."""
    return word if _BARE.fullmatch(word) else in_quotes(word)


def in_quotes(word: str) -> str:
    """The word in quotes."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(quoted: str) -> str:
    """The text of a quoted word."""
    return _ESCAPE.sub(r"\1", quoted[1:-1])


def split(line: str, number: int = 0) -> Iterator[Word]:
    """The words of a line. FormError when a quote is not closed."""
    for match in _TOKEN.finditer(line):
        column = match.start() + 1
        if match["open"]:
            raise FormError("the quote is never closed", number, column)
        yield Word(unquote(match[0]) if match["quoted"] else match[0], column)
