# SPDX-License-Identifier: Apache-2.0
"""Statements as paths in the schema, and errors that name the offending token."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snatsh.model.errors import Path, Problem, StatementError
from snatsh.model.schema.tree import Node, ValueType, root

_SHOWN = 80
"""Characters of a value shown in an error."""


@dataclass(frozen=True, slots=True)
class SchemaPath:
    """A statement resolved in the schema.

    path: canonical names and keys. keys: the indices of those that are keys of list entries.
    values: the canonical values after a leaf's name.
    """

    node: Node
    path: Path
    keys: frozenset[int]
    values: tuple[Any, ...] = ()

    @property
    def is_entry(self) -> bool:
        return len(self.path) - 1 in self.keys

    @property
    def expected(self) -> tuple[str, ...]:
        """What may follow: names, or the hint of a key or a value."""
        kind = self.node.value
        if self.node.kind == "list" and not self.is_entry:
            kind = self.node.key
        offered = (name for name, child in self.node.children.items() if not child.hidden)
        return what_fits(kind) if kind else tuple(offered)


def resolve(tokens: Sequence[str]) -> SchemaPath:
    """The path that the tokens name. StatementError names the token that does not fit."""
    node = root()
    path: list[str] = []
    keys = []
    wants_key = False
    for index, token in enumerate(tokens):
        if wants_key:
            assert node.key is not None
            path.append(str(_parse(node.key, tokens, index)))
            keys.append(index)
            wants_key = False
        elif node.value is not None:
            return SchemaPath(node, tuple(path), frozenset(keys), _values(node, node.value, tokens, index))
        elif token in node.children:
            node = node.children[token]
            path.append(node.name)
            wants_key = node.kind == "list"
        else:
            expected = tuple(name for name, child in node.children.items() if not child.hidden)
            raise refuse(tokens, index, unknown(token, expected), expected, names_expected=True)
    return SchemaPath(node, tuple(path), frozenset(keys))


def _values(node: Node, kind: ValueType, tokens: Sequence[str], start: int) -> tuple[Any, ...]:
    """The value after a leaf's name; for a leaf-list also `[ several values ]`."""
    end = start + 1
    if node.kind == "leaf-list" and tokens[start] == "[":
        start, end = start + 1, len(tokens) - 1
        if tokens[-1] != "]" or start >= end:
            reason = f"expected {kind.hint} and a closing ]"
            raise refuse(tokens, len(tokens), reason, (kind.hint, "]"), names_expected=True)
    elif len(tokens) > end:
        raise refuse(tokens, end, "expected the end of the statement")
    return tuple(_parse(kind, tokens, index) for index in range(start, end))


def _parse(kind: ValueType, tokens: Sequence[str], index: int) -> Any:
    try:
        return kind.parse(tokens[index])
    except ValueError as error:
        names = bool(kind.choices)  # the reader of an enumeration lists them
        raise refuse(tokens, index, str(error), what_fits(kind), names_expected=names) from None


def members(node: Node, held: Mapping[str, Any]) -> Iterator[tuple[str, Node, Any]]:
    """The members of a container or a list in display order: as in the schema, by number, or by name."""
    if node.kind == "list":
        by_number = node.key is not None and node.key.kind == "integer"
        for key in sorted(held, key=int if by_number else None):
            yield key, node.entry, held[key]
    else:
        for name, child in node.children.items():
            if name in held:
                yield name, child, held[name]


def shown_members(node: Node, held: Mapping[str, Any]) -> Iterator[tuple[str, Node, Any]]:
    """The members that the set and curly forms show as statements."""
    return (member for member in members(node, held) if not member[1].hidden)


def refuse(
    tokens: Sequence[str],
    index: int,
    reason: str,
    expected: tuple[str, ...] = (),
    *,
    names_expected: bool = False,
) -> StatementError:
    """The error for token `index` of a statement; one past the end means that it is missing."""
    value = shown(tokens[index]) if index < len(tokens) else ""
    problem = Problem(tuple(shown(token) for token in tokens[:index]), value, reason)
    return StatementError(str(problem), index, expected, problem, names_expected=names_expected)


def unknown(word: str, known: Sequence[str]) -> str:
    """The reason to refuse a word where only these are known."""
    close = difflib.get_close_matches(word, known, n=2) if len(word) < 40 else []
    return f"unknown; did you mean {' or '.join(close)}?" if close else f"unknown; expected {one_of(known)}"


def what_fits(kind: ValueType) -> tuple[str, ...]:
    return kind.choices or (kind.hint,)


def one_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"one of: {', '.join(words)}"


def shown(value: object) -> str:
    """A value for an error: one line without control characters, shortened."""
    if isinstance(value, dict):
        return "a set of statements"
    if isinstance(value, list | tuple):
        return "a list of values"
    text = value if isinstance(value, str) else repr(value)
    text = text if text.isprintable() else ascii(text[:_SHOWN])[1:-1]
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
