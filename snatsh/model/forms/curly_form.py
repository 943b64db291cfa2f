# SPDX-License-Identifier: Apache-2.0
"""Curly form, as Junos shows a configuration: containers in braces, statements end with a semicolon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from snatsh.model.document import marks
from snatsh.model.document.document import Document, part
from snatsh.model.document.marks import Marks
from snatsh.model.errors import Path
from snatsh.model.schema.schema_path import resolve, shown_members
from snatsh.model.schema.tokenizer import quote
from snatsh.model.schema.tree import Node

INDENT = "    "
Note = Callable[[Path], str]
"""What follows a statement on its line."""


def _no_note(_at: Path) -> str:
    return ""


def render(document: Document, path: Sequence[str] = (), note: Note = _no_note) -> str:
    """The document, or the contents of the part at a path."""
    found = part(document, path)
    if found is None:
        return ""
    name, node, held = found
    at = resolve(path).path
    marked = marks.of(document)
    if node.value:
        shown_lines = lines(name, node, held, "", at[:-1], marked, note)
    else:
        shown_lines = contents(node, held, "", at, marked, note)
    heads = () if node.value else _heads(at, marked)
    return "".join(f"{line}\n" for line in (*heads, *shown_lines))


def _heads(path: Path, marked: Marks) -> Iterator[str]:
    """The marks of a part that is shown without its name."""
    for end in range(1, len(path) + 1):
        mark = marked.get(path[:end], {})
        for flag in ("inactive", "protect"):
            if flag in mark:
                yield f"## {flag}: {' '.join(map(quote, path[:end]))}"


def contents(
    node: Node, held: Any, pad: str = "", at: Path = (), marked: Marks = marks.NONE, note: Note = _no_note
) -> Iterator[str]:
    """The lines of a container's or a list's contents. at: its path."""
    for name, child, value in shown_members(node, held):
        yield from lines(name, child, value, pad, at, marked, note)


def lines(
    name: str,
    node: Node,
    held: Any,
    pad: str = "",
    above: Path = (),
    marked: Marks = marks.NONE,
    note: Note = _no_note,
) -> Iterator[str]:
    """The lines of a statement and everything below it."""
    at = (*above, name)
    mark = marked.get(at, {})
    if "comment" in mark:
        yield f"{pad}/* {mark['comment']} */"
    name = "".join(f"{flag}: " for flag in ("inactive", "protect") if flag in mark) + quote(name)
    if node.kind == "leaf":
        yield f"{pad}{name} {quote(str(held))};{note(at)}"
    elif node.kind == "leaf-list":
        values = " ".join(quote(str(value)) for value in held)
        yield f"{pad}{name} {f'[ {values} ]' if len(held) > 1 else values};{note(at)}"
    elif not held:
        yield f"{pad}{name};{note(at)}"
    else:
        yield f"{pad}{name} {{"
        yield from contents(node, held, pad + INDENT, at, marked, note)
        yield f"{pad}}}"


def parse(text: str, under: Sequence[str] = ()) -> Document:
    """The document of a text whose statements lie below a path.

    FormError when it can't be parsed, ProfileError with all problems.
    """
    from snatsh.model.forms.curly_reader import read

    return read(text, tuple(under))
