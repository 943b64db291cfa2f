"""Set form: one `set` statement per line. `#` begins a comment line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from snatsh.model.document import Document, Draft, part
from snatsh.model.errors import FormError, Path, ProfileError, StatementError
from snatsh.model.place import members, resolve, shown
from snatsh.model.shape import MAX_PROBLEMS
from snatsh.model.tree import Node
from snatsh.model.words import check_size, quote, split


@dataclass(frozen=True, slots=True)
class Statement:
    """verb: set or delete. line: 1-based."""

    verb: str
    tokens: Path
    line: int


def render(document: Document, path: Sequence[str] = ()) -> str:
    """The statements that give the document, or those of the part at the path."""
    found = part(document, path)
    if found is None:
        return ""
    _, node, held = found
    prefix = " ".join(["set", *map(quote, resolve(path).path)])
    return "".join(f"{line}\n" for line in _lines(prefix, node, held))


def _lines(prefix: str, node: Node, held: Any) -> Iterator[str]:
    if node.kind == "leaf":
        yield f"{prefix} {quote(str(held))}"
    elif node.kind == "leaf-list":
        for value in held:
            yield f"{prefix} {quote(str(value))}"
    elif held:
        for name, child, value in members(node, held):
            yield from _lines(f"{prefix} {quote(name)}", child, value)
    elif prefix != "set":
        yield prefix


def parse(text: str) -> Document:
    """The document that the statements give, one after the other; ProfileError with all that fail."""
    draft, problems = Draft({}), []
    for statement in statements(text):
        try:
            (draft.set if statement.verb == "set" else draft.delete)(statement.tokens)
        except StatementError as error:
            problems.append(replace(error.problem, line=statement.line))
            if len(problems) >= MAX_PROBLEMS:
                break
    if problems:
        raise ProfileError(problems)
    return draft.finish()


def statements(text: str) -> Iterator[Statement]:
    """The statements of the text, in words; whether they are acceptable is not looked at."""
    check_size(text)
    for number, line in enumerate(text.split("\n"), 1):
        words = list(split(line, number)) if not line.lstrip().startswith("#") else []
        if not words:
            continue
        verb = words[0].text
        if verb not in ("set", "delete"):
            raise FormError(f"{shown(verb)}: expected set or delete", number, words[0].column)
        yield Statement(verb, tuple(word.text for word in words[1:]), number)
