# SPDX-License-Identifier: Apache-2.0
"""The set form: one `set` statement per line. `#` begins a comment line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from snatsh.model.document import marks
from snatsh.model.document.document import Document, Draft, part
from snatsh.model.document.document_validator import MAX_PROBLEMS
from snatsh.model.errors import FormError, Path, ProfileError, StatementError
from snatsh.model.limits import accept
from snatsh.model.schema.schema_path import resolve, shown, shown_members
from snatsh.model.schema.tokenizer import quote, split
from snatsh.model.schema.tree import Node


@dataclass(frozen=True, slots=True)
class SetLine:
    """A statement; one that marks another as what it sets or deletes. line: 1-based."""

    verb: Literal["set", "delete"]
    tokens: Path
    line: int


def render(document: Document, path: Sequence[str] = ()) -> str:
    """The statements of the document, or of the part at a path."""
    found = part(document, path)
    if found is None:
        return ""
    _, node, held = found
    at = resolve(path).path
    prefix = " ".join(["set", *map(quote, at)])
    marked = marks.statements(marks.of(document, at))
    return "".join(f"{line}\n" for line in (*_lines(prefix, node, held), *marked))


def _lines(prefix: str, node: Node, held: Any) -> Iterator[str]:
    if node.kind == "leaf":
        yield f"{prefix} {quote(str(held))}"
    elif node.kind == "leaf-list":
        for value in held:
            yield f"{prefix} {quote(str(value))}"
    elif held:
        for name, child, value in shown_members(node, held):
            yield from _lines(f"{prefix} {quote(name)}", child, value)
    elif prefix != "set":
        yield prefix


def parse(text: str) -> Document:
    """The document that the statements produce in order. ProfileError with all that fail."""
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


def statements(text: str, under: Path = ()) -> Iterator[SetLine]:
    """The statements of a text below a path, not validated."""
    text = accept(text)
    for number, line in enumerate(text.split("\n"), 1):
        words = list(split(line, number)) if not line.lstrip().startswith("#") else []
        if not words:
            continue
        verb = words[0].text
        if verb not in ("set", "delete", *marks.VERBS):
            reason = (
                f"{shown(verb)}: expected set, delete, {', '.join(marks.VERBS[:-1])} or {marks.VERBS[-1]}"
            )
            raise FormError(reason, number, words[0].column)
        done, tokens = marks.translated(verb, (*under, *(word.text for word in words[1:])))
        yield SetLine(done, tokens, number)
