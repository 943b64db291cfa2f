# SPDX-License-Identifier: Apache-2.0
"""Parses the curly form to statements of words and blocks, whatever they mean in the schema.

    statement: word+ [ "[" word+ "]" ] ( ";" | "{" statement* "}" )

Words are bare or in double quotes. Comments are `# …` and `/* … */`. Blocks are kept on a stack, so that
depth is no limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from snatsh.model.errors import FormError
from snatsh.model.limits import accept
from snatsh.model.schema.schema_path import one_of, shown
from snatsh.model.schema.tokenizer import QUOTED, unquote

_TOKEN = re.compile(
    rf'(?P<quoted>{QUOTED})|(?P<word>(?!/\*)[^\s{{}}\[\];"#]+)|(?P<sign>[{{}}\[\];])'
    r"|(?P<ignored>\s+|#[^\n]*|/\*[\s\S]*?\*/)"
)
_WORDS = ("a word", "a word in quotes")


class CurlyStatement(NamedTuple):
    """A statement. block: the statements in its braces, None when it ends in a semicolon.

    words: those in brackets with the brackets. position: of its beginning in the text.
    """

    words: tuple[str, ...]
    line: int
    block: list[CurlyStatement] | None
    position: int = 0


def statements(text: str) -> list[CurlyStatement]:
    """The statements of a text. FormError when it can't be parsed."""
    text = accept(text)
    parser = _Parser()
    at = start = 0
    line, last = 1, (1, 1)
    while at < len(text):
        token = _TOKEN.match(text, at)
        column = at - start + 1
        if token is None:
            what = "quote" if text[at] == '"' else "comment"
            raise FormError(f"the {what} is never closed", line, column)
        if token.lastgroup != "ignored":
            last = line, column
            if not parser.take(token, line):
                found = f"unexpected '{shown(token[0])}'"
                raise FormError(f"{found}; expected {one_of(parser.expected)}", line, column)
        elif newlines := token[0].count("\n"):
            line += newlines
            start = at + token[0].rindex("\n") + 1
        at = token.end()
    if not parser.is_complete:
        raise FormError(f"the text ends here; expected {one_of(parser.expected)}", *last)
    return parser.statements


@dataclass(slots=True)
class _Head:
    """A statement before its semicolon or brace. bracket: the last one, or the first word behind it."""

    words: list[str] = field(default_factory=list)
    line: int = 0
    position: int = 0
    bracket: str = ""

    def ended(self, block: list[CurlyStatement] | None) -> CurlyStatement:
        return CurlyStatement(tuple(self.words), self.line, block, self.position)


class _Parser:
    """Takes one token after the other; the head is that of the statement that has begun."""

    def __init__(self) -> None:
        self.statements: list[CurlyStatement] = []
        self._head = _Head()
        self._above: list[tuple[_Head, list[CurlyStatement]]] = []

    @property
    def is_complete(self) -> bool:
        return not self._head.words and not self._above

    @property
    def expected(self) -> list[str]:
        """The tokens that may follow, in words."""
        if not self._head.words:
            return sorted([*_WORDS, "'}'" if self._above else "the end of the text"])
        follow = {
            "": [*_WORDS, "'['", "';'", "'{'"],
            "[": _WORDS,
            "[…": [*_WORDS, "']'"],
            "]": ["';'", "'{'"],
        }
        return sorted(follow[self._head.bracket])

    def take(self, token: re.Match[str], line: int) -> bool:
        """Whether the token may stand here; if so, take it."""
        if token.lastgroup == "sign":
            return self._sign(token[0])
        head = self._head
        if head.bracket == "]":
            return False
        if not head.words:
            head.line, head.position = line, token.start()
        head.words.append(unquote(token[0]) if token["quoted"] else token[0])
        head.bracket = head.bracket and "[…"
        return True

    def _sign(self, sign: str) -> bool:
        head = self._head
        if sign == "}":
            return self._close()
        if sign in "[]":
            if not head.words or head.bracket != {"[": "", "]": "[…"}[sign]:
                return False
            head.words.append(sign)
            head.bracket = sign
            return True
        if not head.words or head.bracket not in ("", "]"):
            return False
        if sign == ";":
            self.statements.append(head.ended(None))
        else:
            self._above.append((head, self.statements))
            self.statements = []
        self._head = _Head()
        return True

    def _close(self) -> bool:
        if self._head.words or not self._above:
            return False
        head, above = self._above.pop()
        above.append(head.ended(self.statements))
        self.statements = above
        return True
