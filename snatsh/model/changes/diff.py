# SPDX-License-Identifier: Apache-2.0
"""Differences of two documents, as statements and in the form of Junos' `show | compare`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from snatsh.model.document import marks
from snatsh.model.document.document import Document, Draft, get
from snatsh.model.errors import Path
from snatsh.model.forms.curly_form import lines
from snatsh.model.schema.schema_path import members, resolve
from snatsh.model.schema.tokenizer import quote
from snatsh.model.schema.tree import Node, root


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that changes a document. path: its tokens, a value of a leaf or leaf-list last."""

    verb: Literal["set", "delete"]
    path: Path

    def __str__(self) -> str:
        if self.path[:1] == (marks.MARKS,):
            return marks.spoken(self.verb, self.path)
        return " ".join([self.verb, *map(quote, self.path)])


def diff(old: Document, new: Document) -> list[Change]:
    """The fewest statements that turn `old` into `new`, in schema order."""
    return [*_changes(root(), _bare(old), _bare(new), ()), *_marked(old, new)]


def apply(document: Document, changes: Iterable[Change]) -> Document:
    """The document after the changes, applied in order."""
    draft = Draft(document)
    for change in changes:
        (draft.set if change.verb == "set" else draft.delete)(change.path)
    return draft.finish()


def graft(document: Document, other: Document, path: Path) -> Document:
    """The document with the part at a path replaced by that of another, marks included."""
    draft = Draft(document)
    for at in marks.of(document, path):
        if at != path:
            draft.delete((marks.MARKS, marks.key(at)))
    if get(document, path) is not None:
        draft.delete(path)
    for change in diff({}, other):
        draft.set(change.path)
    return draft.finish()


def render_set(changes: Iterable[Change]) -> str:
    """One statement per line."""
    return "".join(f"{change}\n" for change in changes)


def render_curly(old: Document, new: Document) -> str:
    """The differences, below a header for each level of the hierarchy that has any."""
    found = (*_compared(root(), _bare(old), _bare(new), ()), *_marks_compared(old, new))
    return "".join(f"{line}\n" for line in found)


def _bare(document: Document) -> Document:
    return {name: held for name, held in document.items() if name != marks.MARKS}


def _marked(old: Document, new: Document) -> Iterator[Change]:
    """The changed marks. Those of a deleted statement are deleted with it."""
    for path, verb, comment in marks.differences(old, new):
        words = (*path, comment) if verb == "annotate" else path
        yield Change(*marks.translated(marks.VERB_OF[verb], words))


def _marks_compared(old: Document, new: Document) -> Iterator[str]:
    """The changed marks behind `!`, as Junos shows them."""
    for path, verb, comment in marks.differences(old, new):
        *above, name = path
        schema_path = resolve(path)
        what = quote(name) + (";" if schema_path.node.value else " { ... }")
        yield f"[{' '.join(['edit', *map(quote, above)])}]"
        yield f"!   {verb}: {quote(name)} {quote(comment)};" if verb == "annotate" else f"!   {verb}: {what}"


def _changes(node: Node, old: Any, new: Any, path: Path) -> Iterator[Change]:
    """The changes at and below a path. old, new: what it holds, None for nothing."""
    if old == new:
        return
    if new is None:
        yield Change("delete", path)
    elif node.kind == "leaf":
        yield Change("set", (*path, str(new)))
    elif node.kind == "leaf-list":
        yield from _list_changes(old or [], new, path)
    elif old is None and not new:
        yield Change("set", path)
    else:
        for name, child, before, after in _pairs(node, old or {}, new):
            yield from _changes(child, before, after, (*path, name))


def _list_changes(old: Sequence[Any], new: Sequence[Any], path: Path) -> Iterator[Change]:
    """The changes of a leaf-list. Values are appended only, so a common beginning stays."""
    gone = []
    kept = 0
    for value in old:
        if kept < len(new) and value == new[kept]:
            kept += 1
        else:
            gone.append(value)
    if gone and not kept:
        yield Change("delete", path)
    else:
        yield from (Change("delete", (*path, str(value))) for value in gone)
    yield from (Change("set", (*path, str(value))) for value in new[kept:])


def _pairs(node: Node, old: Document, new: Document) -> Iterator[tuple[str, Node, Any, Any]]:
    """The members that differ between two containers: name, node, old and new."""
    for name, child, _ in members(node, old | new):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield name, child, before, after


def _compared(node: Node, old: Document, new: Document, path: Path) -> Iterator[str]:
    own: list[str] = []
    below: list[Iterator[str]] = []
    for name, child, before, after in _pairs(node, old, new):
        if child.value is None and before is not None and after is not None:
            below.append(_compared(child, before, after, (*path, name)))
            continue
        if before is not None:
            own.extend(f"-   {line}" for line in lines(name, child, before))
        if after is not None:
            own.extend(f"+   {line}" for line in lines(name, child, after))
    if own:
        yield f"[{' '.join(['edit', *map(quote, path)])}]"
        yield from own
    for level in below:
        yield from level
