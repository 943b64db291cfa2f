# SPDX-License-Identifier: Apache-2.0
r"""Words of the set and curly forms: bare, or in double quotes with `\"`, `\\` and `\uXXXX`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from snatsh.model.errors import FormError

QUOTED = r'"(?:[^"\\\n]|\\[^\n])*"'
"""The pattern of a quoted word. A backslash before any other character is literal."""

_BARE = re.compile(r"[A-Za-z0-9_.:/,+@%=~-]+")
BIDI_CONTROL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of text. A terminal must not get them, so the forms escape them."""

ESCAPE = re.compile(r'\\(?:(?P<sign>["\\])|u(?P<bidi>061c|200[ef]|202[a-e]|206[6-9]))')
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
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{BIDI_CONTROL.sub(bidi_escape, escaped)}"'


def bidi_escape(match: re.Match[str]) -> str:
    """The escape of a matched control, the same in JSON, YAML and quoted words."""
    return f"\\u{ord(match[0]):04x}"


def unescape(match: re.Match[str]) -> str:
    """The character of a matched escape."""
    return match["sign"] or chr(int(match["bidi"], 16))


def unquote(quoted: str) -> str:
    """The text of a quoted word."""
    return ESCAPE.sub(unescape, quoted[1:-1])


def split(line: str, number: int = 0) -> Iterator[Word]:
    """The words of a line. FormError when a quote is not closed."""
    for match in _TOKEN.finditer(line):
        column = match.start() + 1
        if match["open"]:
            raise FormError("the quote is never closed", number, column)
        yield Word(unquote(match[0]) if match["quoted"] else match[0], column)
