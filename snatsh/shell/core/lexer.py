# SPDX-License-Identifier: Apache-2.0
"""A command line as tokens. Words are separated by blanks, `"` quotes, a bare `|` starts a pipe."""

from __future__ import annotations

from dataclasses import dataclass

from snatsh.model.schema.tokenizer import ESCAPE, unescape


@dataclass(frozen=True, slots=True)
class Token:
    """One word. text: without quotes. start, end: columns, including quotes."""

    text: str
    start: int
    end: int
    quoted: bool = False

    @property
    def is_pipe(self) -> bool:
        return self.text == "|" and not self.quoted


@dataclass(frozen=True, slots=True)
class Line:
    """open_quote: column of an unclosed quote, or None."""

    text: str
    tokens: tuple[Token, ...]
    open_quote: int | None = None

    @property
    def at_new_word(self) -> bool:
        """Whether the end of the line starts a new word."""
        if self.open_quote is not None:
            return False
        return not self.tokens or self.tokens[-1].end < len(self.text) or self.tokens[-1].is_pipe


def lex(text: str) -> Line:
    """Split a line into tokens. An unclosed quote runs to the end and is reported in `open_quote`."""
    tokens: list[Token] = []
    open_quote = None
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == "|":
            tokens.append(Token("|", at, at + 1))
            at += 1
        elif text[at] == '"':
            token, closed = _quoted(text, at)
            open_quote = None if closed else at
            tokens.append(token)
            at = token.end
        else:
            end = at
            while end < len(text) and not text[end].isspace() and text[end] not in '|"':
                end += 1
            tokens.append(Token(text[at:end], at, end))
            at = end
    return Line(text, tuple(tokens), open_quote)


def _quoted(text: str, start: int) -> tuple[Token, bool]:
    """Return the quoted word at `start`, with its escapes replaced, and whether its quote is closed."""
    letters: list[str] = []
    at = start + 1
    while at < len(text):
        if text[at] == '"':
            return Token("".join(letters), start, at + 1, quoted=True), True
        escape = ESCAPE.match(text, at)
        letters.append(unescape(escape) if escape else text[at])
        at = escape.end() if escape else at + 1
    return Token("".join(letters), start, at, quoted=True), False
