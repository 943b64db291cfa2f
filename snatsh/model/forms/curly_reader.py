# SPDX-License-Identifier: Apache-2.0
"""Reads the curly form: statements by the parser, their meaning by the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from snatsh.model.document import marks
from snatsh.model.document.document import Document, Draft
from snatsh.model.document.document_validator import MAX_PROBLEMS
from snatsh.model.errors import Path, Problem, ProfileError, StatementError
from snatsh.model.forms.curly_parser import CurlyStatement, statements
from snatsh.model.limits import accept
from snatsh.model.schema.schema_path import refuse, resolve
from snatsh.model.schema.tokenizer import QUOTED
from snatsh.model.schema.tree import root

_FLAGS = {"inactive:": "deactivate", "protect:": "protect"}


def flags_and_words(words: tuple[str, ...]) -> tuple[list[str], tuple[str, ...]]:
    """The verbs for the marks before a statement, and the words of the statement."""
    flags = []
    while len(words) > 1 and words[0] in _FLAGS:
        flags.append(_FLAGS[words[0]])
        words = words[1:]
    return flags, words


def read(text: str, under: Path = ()) -> Document:
    """The document of a text. FormError when it can't be parsed, ProfileError with all problems."""
    text = accept(text)
    reading = _Reading(_comments(text))
    reading.block(under, statements(text))
    return reading.finish()


_LEXICAL = re.compile(rf"{QUOTED}|#[^\n]*|/\*(?:.|\n)*?\*/")
_BLANKS = re.compile(r"(?:\s|#[^\n]*(?:\n|$))*")


def _comments(text: str) -> dict[int, str]:
    """The comments in `/* */`, by the position of what follows them."""
    found = {}
    for match in _LEXICAL.finditer(text):
        if match[0].startswith("/*"):
            following = _BLANKS.match(text, match.end())
            assert following is not None
            found[following.end()] = _comment(match[0][2:-2])
    return found


def _comment(text: str) -> str:
    """The text of a comment. On one line it stays as it is, but for the blanks that set it off."""
    return " ".join(text.split()) if "\n" in text else text.removeprefix(" ").removesuffix(" ")


def _is_annotation(comment: str) -> bool:
    """Whether a comment can be kept: it is not too long, and has no control characters."""
    kind = root().children[marks.MARKS].entry.children["comment"].value
    assert kind is not None
    try:
        kind.parse(comment)
    except ValueError:
        return False
    return True


class _Reading:
    """Applies one statement after the other, and continues after a wrong one."""

    def __init__(self, comments: Mapping[int, str]) -> None:
        self._comments = comments
        self._marked: list[tuple[str, Path]] = []
        self._draft = Draft({})
        self._problems: list[Problem] = []
        self._first: dict[Path, int] = {}

    def finish(self) -> Document:
        if self._problems:
            raise ProfileError(self._problems)
        for verb, tokens in self._marked:
            self._draft.set(marks.translated(verb, tokens)[1])
        return self._draft.finish()

    def block(self, above: Path, statements: Sequence[CurlyStatement]) -> None:
        """Apply the statements of a block. An unknown one is refused before its block is entered."""
        for statement in statements:
            flags, words = flags_and_words(statement.words)
            tokens = above + words
            try:
                if statement.block is None:
                    self._set(tokens, statement.line)
                else:
                    self._enter(tokens, statement.block)
                self._mark(statement, flags, resolve(tokens).path)
            except StatementError as error:
                self._report(replace(error.problem, line=statement.line))

    def _mark(self, statement: CurlyStatement, flags: Sequence[str], path: Path) -> None:
        comment = self._comments.get(statement.position, "")
        if comment and _is_annotation(comment):
            self._marked.append(("annotate", (*path, comment)))
        self._marked += [(flag, path) for flag in flags]

    def _set(self, tokens: Path, line: int) -> None:
        schema_path = self._draft.set(tokens)
        if schema_path.node.kind != "leaf":
            return
        if schema_path.path in self._first:
            reason = f"is given twice, first in line {self._first[schema_path.path]}"
            raise refuse(tokens, len(schema_path.path) - 1, reason)
        self._first[schema_path.path] = line

    def _enter(self, tokens: Path, statements: Sequence[CurlyStatement]) -> None:
        schema_path = resolve(tokens)
        if schema_path.node.value is not None:
            raise refuse(tokens, len(tokens), "expected a value and ';' instead of the block")
        if schema_path.is_entry:
            self._draft.set(tokens)
        self.block(tokens, statements)

    def _report(self, problem: Problem) -> None:
        self._problems.append(problem)
        if len(self._problems) >= MAX_PROBLEMS:
            raise ProfileError(self._problems)
