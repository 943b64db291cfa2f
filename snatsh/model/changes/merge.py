# SPDX-License-Identifier: Apache-2.0
"""Two people changed the same configuration: what both did, and where they are in each other's way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from snatsh.model.changes.diff import Change, diff
from snatsh.model.document.document import Document, Draft
from snatsh.model.document.marks import MARKS
from snatsh.model.errors import Path, StatementError
from snatsh.model.schema.schema_path import resolve


def merge(base: Document, ours: Document, theirs: Document) -> Document:
    """`theirs` with all that was changed from `base` to `ours`; ours wins where both changed a thing."""
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
    with contextlib.suppress(StatementError):  # what it marks is gone
        (draft.set if change.verb == "set" else draft.delete)(change.path)


def _delete(draft: Draft, path: Path) -> None:
    with contextlib.suppress(StatementError):  # gone already, which is what was wanted
        draft.delete(path)


def conflicts(base: Document, ours: Document, theirs: Document) -> list[Change]:
    """Those of our changes that touch what `theirs` changed as well, and differently."""
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
        # Something of what we delete was set, or changed, over there.
        return subject in values or subject in inside
    return subject in values or any(above in deleted for above in _above(subject))


def _above(subject: Path) -> Iterator[Path]:
    return (subject[:end] for end in range(1, len(subject)))


def _subject(change: Change) -> Path:
    """What a change is about: a leaf without its value, a value of a leaf-list, an entry, a container."""
    schema_path = resolve(change.path)
    if schema_path.node.kind == "leaf" and schema_path.values:
        return schema_path.path
    return change.path
