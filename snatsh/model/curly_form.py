"""Curly form, as Junos shows a configuration: containers in braces, statements end with a semicolon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from snatsh.model.document import Document, part
from snatsh.model.place import members
from snatsh.model.tree import Node
from snatsh.model.words import quote

INDENT = "    "


def render(document: Document, path: Sequence[str] = ()) -> str:
    """The document, or what the part at the path holds."""
    found = part(document, path)
    if found is None:
        return ""
    name, node, held = found
    shown_lines = lines(name, node, held) if node.value else contents(node, held)
    return "".join(f"{line}\n" for line in shown_lines)


def contents(node: Node, held: Any, pad: str = "") -> Iterator[str]:
    """The lines of everything in a container or a list."""
    for name, child, value in members(node, held):
        yield from lines(name, child, value, pad)


def lines(name: str, node: Node, held: Any, pad: str = "") -> Iterator[str]:
    """The lines of one statement and all below it."""
    name = quote(name)
    if node.kind == "leaf":
        yield f"{pad}{name} {quote(str(held))};"
    elif node.kind == "leaf-list":
        values = " ".join(quote(str(value)) for value in held)
        yield f"{pad}{name} [ {values} ];" if len(held) > 1 else f"{pad}{name} {values};"
    elif not held:
        yield f"{pad}{name};"
    else:
        yield f"{pad}{name} {{"
        yield from contents(node, held, pad + INDENT)
        yield f"{pad}}}"


def parse(text: str, under: Sequence[str] = ()) -> Document:
    """The document in the text, all of it below a path.

    FormError where it can't be read, ProfileError with every problem.
    """
    from snatsh.model.curly_reader import read  # lark: only where there is something to parse

    return read(text, tuple(under))
