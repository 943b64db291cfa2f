# SPDX-License-Identifier: Apache-2.0
"""Candidate configurations: the shared one, or a private one of an edit session."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from snatsh.engine.errors import StatementFailed
from snatsh.model.changes.merge import merge
from snatsh.model.document import marks
from snatsh.model.document.document import Document, Draft, get, validate_shape
from snatsh.model.errors import Path, Problem, ProfileError, StatementError
from snatsh.model.schema.schema_path import resolve


@dataclass(frozen=True, slots=True)
class EditStatement:
    verb: Literal["set", "delete"]
    path: tuple[str, ...]


class Candidate:
    """One document. Every method applies all of a change, or nothing."""

    def __init__(self, running: Document) -> None:
        self._running = running
        self._document = running

    @property
    def document(self) -> Document:
        """What a commit would run. Documents are never changed in place, so this is a snapshot."""
        return self._document

    @property
    def base(self) -> Document:
        """The running configuration when the candidate was created or last rebased."""
        return self._running

    @property
    def changed(self) -> bool:
        return self._document != self._running

    def edit(self, statements: Sequence[EditStatement]) -> None:
        """Apply statements in order. StatementFailed says which one is invalid."""
        draft = Draft(self._document)
        protection = Protection(self._document)
        for number, statement in enumerate(statements):
            change = draft.set if statement.verb == "set" else draft.delete
            try:
                protection.require(statement)
                change(statement.path)
            except StatementError as error:
                raise StatementFailed(number, error) from None
        self._document = draft.finish()

    def replace(self, document: Any) -> None:
        """Replace the document. ProfileError if the new one is invalid."""
        self._document = validate_shape(document)

    def load(self, document: Any) -> None:
        """Replace the document, but refuse to change what is protected."""
        wanted = validate_shape(document)
        Protection(self._document).require_kept(wanted)
        self._document = wanted

    def merge(self, document: Any) -> None:
        """Merge a document: its leaves replace, its leaf lists are appended."""
        self.load(_merged(self._document, validate_shape(document)))

    def discard(self) -> None:
        """Discard all changes."""
        self._document = self._running

    def rebase(self, running: Document) -> None:
        """Apply the changes to another running configuration."""
        self._document = merge(self._running, self._document, running) if self.changed else running
        self._running = running

    def committed(self, running: Document, *, followed: bool) -> None:
        """Note a commit of this candidate. followed: no edits were made meanwhile, so drop none."""
        if followed:
            self._document = running
        self._running = running


_PROTECTED = "is protected; see `unprotect`"


class Protection:
    """Statements that `protect` keeps from being changed until `unprotect`."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._lifted: set[Path] = set()

    def require(self, statement: EditStatement) -> None:
        """Refuse a statement that changes what is protected. Earlier statements may have lifted that."""
        path = resolve(statement.path).path
        if path[:1] == (marks.MARKS,) and path[2:3] == ("protect",):
            self._lifted.add(marks.path_of(path[1]))
            return
        protected = marks.protector(self._document, path, deletes=statement.verb == "delete")
        if protected is not None and protected not in self._lifted:
            problem = Problem(protected, "", _PROTECTED)
            raise StatementError(str(problem), len(protected) - 1, problem=problem)

    def require_kept(self, document: Document) -> None:
        for path, mark in marks.of(self._document).items():
            if "protect" in mark and get(document, path) != get(self._document, path):
                raise ProfileError([Problem(path, "", _PROTECTED)])


def _merged(base: Any, added: Any) -> Any:
    if isinstance(base, dict) and isinstance(added, dict):
        union = {key: _merged(base[key], value) if key in base else value for key, value in added.items()}
        return {**base, **copy.deepcopy(union)}
    if isinstance(base, list) and isinstance(added, list):
        return [*base, *(value for value in added if value not in base)]
    return added
