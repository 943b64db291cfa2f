# SPDX-License-Identifier: Apache-2.0
"""JSON (RFC 8259) read with the line of each name and value, which errors of the schema need.

As in YAML, every scalar is text until the schema says otherwise.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from snatsh.model.errors import FormError, Path
from snatsh.model.forms.located_text import LocatedText
from snatsh.model.limits import MAX_DEPTH, TOO_DEEP, accept
from snatsh.model.schema.schema_path import shown

_BLANKS = re.compile(r"[ \t\r\n]*")
_PLAIN = r'[^"\\\x00-\x1f]*'
_CHARACTERS = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*'
_BROKEN_STRING = re.compile(_CHARACTERS)
_TOKEN = re.compile(
    rf'(?P<string>{_CHARACTERS}")|(?P<sign>[\[\]{{}}:,])|(?P<null>null\b)'
    r"|(?P<plain>true\b|false\b|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.+-]))"
)
_NAME = "a name in double quotes"


class _Token(NamedTuple):
    """kind: string, plain, null, end, or the sign itself."""

    kind: str
    text: str
    line: int
    column: int

    def refused(self, expected: str) -> FormError:
        what = "the text ends here" if self.kind == "end" else f"unexpected {shown(self.text)}"
        return FormError(f"{what}; expected {expected}", self.line, self.column)


def read(text: str) -> LocatedText:
    """FormError where it is no JSON, or more than we read."""
    reading = _Reading(accept(text))
    content = reading.value((), 1)
    if reading.token.kind != "end":
        raise reading.token.refused("the end of the text")
    return LocatedText(content, reading.lines)


class _Reading:
    """Reads a value at a time. token: the next one, not taken yet."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = self._line_start = 0
        self._line = 1
        self.token = self._next()

    def value(self, path: Path, depth: int) -> Any:
        """Take a value. Its recursion ends at the limit of depth."""
        token = self.token
        if token.kind in ("{", "["):
            if depth > MAX_DEPTH:
                raise FormError(TOO_DEEP, token.line, token.column)
            return self._object(path, depth) if token.kind == "{" else self._array(path, depth)
        self._take(("string", "plain", "null"), "a value")
        if token.kind == "null":
            return None
        self.lines.setdefault((*path, token.text), token.line)
        return token.text

    def _object(self, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._take("{", "'{'")
        while self.token.kind != "}" or found:
            name = self._take(("string",), _NAME if found else f"{_NAME} or '}}'")
            at = (*path, name.text)
            if name.text in found:
                where = " ".join(map(shown, at))
                reason = f"{where}: is given twice, first in line {self.lines[at]}"
                raise FormError(reason, name.line, name.column)
            self.lines[at] = name.line
            self._take(":", "':'")
            found[name.text] = self.value(at, depth + 1)
            if not self._goes_on("}"):
                return found
        self._take("}", "'}'")
        return found

    def _array(self, path: Path, depth: int) -> list[Any]:
        found: list[Any] = []
        self._take("[", "'['")
        while self.token.kind != "]" or found:
            found.append(self.value(path, depth + 1))
            if not self._goes_on("]"):
                return found
        self._take("]", "']'")
        return found

    def _goes_on(self, closing: str) -> bool:
        """Take what follows a member. Whether another one has to follow."""
        return self._take((",", closing), f"',' or '{closing}'").kind == ","

    def _take(self, kinds: str | tuple[str, ...], expected: str) -> _Token:
        token = self.token
        if token.kind not in kinds:
            raise token.refused(expected)
        self.token = self._next()
        return token

    def _next(self) -> _Token:
        self._skip_blanks()
        line, column = self._line, self._at - self._line_start + 1
        if self._at == len(self._text):
            return _Token("end", "", line, column)
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            if self._text[self._at] == '"':
                raise self._broken_string()
            word = re.compile(r"[\w.+-]{1,80}|.", re.DOTALL).match(self._text, self._at)
            return _Token("unknown", word[0] if word else "", line, column)
        self._at = match.end()
        if match["string"]:
            return _Token("string", json.loads(match[0]), line, column)
        return _Token(match[0] if match["sign"] else str(match.lastgroup), match[0], line, column)

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        assert blanks is not None
        if newlines := blanks[0].count("\n"):
            self._line += newlines
            self._line_start = blanks.start() + blanks[0].rindex("\n") + 1
        self._at = blanks.end()

    def _broken_string(self) -> FormError:
        """Why the string here is none: it has no end, or a character that it must not have."""
        valid = _BROKEN_STRING.match(self._text, self._at)
        assert valid is not None
        at = valid.end()
        found = self._text[at : at + 1]
        if found in ("", "\n"):
            return FormError("the string is never closed", self._line, self._at - self._line_start + 1)
        what = "an unknown escape" if found == "\\" else "a control character"
        return FormError(f"{what} in a string", self._line, at - self._line_start + 1)
