# SPDX-License-Identifier: Apache-2.0
"""Merges concurrent changes of a configuration and reports conflicts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from snatsh.model.changes.diff import Change, diff
from snatsh.model.document.document import Document, Draft
from snatsh.model.document.marks import MARKS
from snatsh.model.errors import Path, StatementError
from snatsh.model.schema.schema_path import resolve


def merge(base: Document, ours: Document, theirs: Document) -> Document:
    """`theirs` with the changes from `base` to `ours`, which win in a conflict."""
    if theirs == base:
        return ours
    draft = Draft(theirs)
    for change in diff(base, ours):
        if change.path[:1] == (MARKS,):
            _mark(draft, change)
        elif change.verb == "set":
            draft.set(change.path)
        else:
            _delete(draft, change.path)
    return draft.finish()


def _mark(draft: Draft, change: Change) -> None:
    with contextlib.suppress(StatementError):  # the marked statement is deleted
        (draft.set if change.verb == "set" else draft.delete)(change.path)


def _delete(draft: Draft, path: Path) -> None:
    with contextlib.suppress(StatementError):  # deleted already
        draft.delete(path)


def conflicts(base: Document, ours: Document, theirs: Document) -> list[Change]:
    """Our changes of what `theirs` changed too, and differently."""
    other = diff(base, theirs)
    if not other:
        return []
    same = set(other)
    values = {_subject(change): change for change in other}
    inside = {path[:end] for path in values for end in range(len(path))}
    deleted = {change.path for change in other if change.verb == "delete"}
    return [
        change
        for change in diff(base, ours)
        if change not in same and _touches(change, values, inside, deleted)
    ]


def _touches(change: Change, values: dict[Path, Change], inside: set[Path], deleted: set[Path]) -> bool:
    subject = _subject(change)
    if change.verb == "delete":
        # They set or changed something below what we delete.
        return subject in values or subject in inside
    return subject in values or any(above in deleted for above in _above(subject))


def _above(subject: Path) -> Iterator[Path]:
    return (subject[:end] for end in range(1, len(subject)))


def _subject(change: Change) -> Path:
    """The subject of a change: a leaf without its value, a value of a leaf-list, an entry or a container."""
    schema_path = resolve(change.path)
    if schema_path.node.kind == "leaf" and schema_path.values:
        return schema_path.path
    return change.path
