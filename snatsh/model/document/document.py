# SPDX-License-Identifier: Apache-2.0
"""A profile as nested dicts of canonical values, and the statements that change it.

A document may be incomplete: each leaf is valid by itself, the whole may not be yet. Documents are never
changed in place; a result may share parts with its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from snatsh.model.document import marks
from snatsh.model.document.document_validator import validate_shape
from snatsh.model.document.types import Document
from snatsh.model.errors import Problem, ProfileError
from snatsh.model.schema.profile import Profile
from snatsh.model.schema.schema_path import SchemaPath, one_of, refuse, resolve, shown
from snatsh.model.schema.tree import Node

__all__ = [
    "Document",
    "Draft",
    "delete",
    "from_profile",
    "get",
    "part",
    "set_",
    "to_profile",
    "validate_shape",
]


def set_(document: Document, tokens: Sequence[str]) -> Document:
    """The document with one more statement. A leaf-list gains a value, a leaf changes."""
    draft = Draft(document)
    draft.set(tokens)
    return draft.finish()


def delete(document: Document, tokens: Sequence[str]) -> Document:
    """The document without what the tokens name, and without containers that become empty.

    A list entry stays when its last statement is deleted, since it was created by name.
    """
    draft = Draft(document)
    draft.delete(tokens)
    return draft.finish()


def get(document: Document, tokens: Sequence[str]) -> Any | None:
    """What the document holds at a path, or None. A value in the tokens must be present too."""
    schema_path = resolve(tokens)
    found: Any = document
    for name in schema_path.path:
        if name not in found:
            return None
        found = found[name]
    held = found if isinstance(found, list) else [found]
    return found if all(value in held for value in schema_path.values) else None


def part(document: Document, path: Sequence[str]) -> tuple[str, Node, Any] | None:
    """The part of a document that a form shows: the last name of the path, its node and what it holds."""
    found = get(document, path)
    if found is None:
        return None
    schema_path = resolve(path)
    return (
        (schema_path.path[-1] if schema_path.path else ""),
        (schema_path.node.entry if schema_path.is_entry else schema_path.node),
        found,
    )


class Draft:
    """A document while many statements change it. Each container is copied once at most.

    Changed leaf-lists are kept as dicts, so that a long one is not searched for each value.
    """

    def __init__(self, document: Document) -> None:
        self._document = dict(document)
        self._owned = {id(self._document)}
        self._unfolded: list[tuple[Document, str]] = []

    def set(self, tokens: Sequence[str]) -> SchemaPath:
        """Apply a `set` statement; return its path."""
        schema_path = resolve(tokens)
        if schema_path.path[:1] == (marks.MARKS,):
            schema_path = self._mark(schema_path, tokens)
        if schema_path.is_entry:
            self._container(schema_path.path)
            return schema_path
        if not schema_path.values:
            reason = f"is not complete; expected {one_of(schema_path.expected)}"
            raise refuse(tokens, len(tokens), reason, schema_path.expected, names_expected=True)
        *above, name = schema_path.path
        holder = self._container(above)
        if schema_path.node.kind == "leaf-list":
            self._unfold(holder, name).update(dict.fromkeys(schema_path.values))
        else:
            holder[name] = schema_path.values[0]
        return schema_path

    def delete(self, tokens: Sequence[str]) -> None:
        """Apply a `delete` statement. Without tokens, delete everything."""
        schema_path = resolve(tokens)
        if not schema_path.path:
            self._document.clear()
            return
        if schema_path.path[:1] == (marks.MARKS,):
            schema_path = self._mark(schema_path, tokens)
        self._require(tokens, schema_path)
        *above, name = schema_path.path
        holder = self._container(above)
        if schema_path.node.kind == "leaf-list" and schema_path.values:
            held = self._unfold(holder, name)
            for value in schema_path.values:
                held.pop(value, None)
            if held:
                return
        del holder[name]
        self._prune(schema_path)

    def finish(self) -> Document:
        """The resulting document. The draft must not be used afterwards."""
        for holder, name in self._unfolded:
            if isinstance(holder.get(name), dict):
                holder[name] = list(holder[name])
        return marks.tidy(self._document)

    def _mark(self, schema_path: SchemaPath, tokens: Sequence[str]) -> SchemaPath:
        """The path in canonical words. StatementError when the marked statement does not exist."""
        _, *names = schema_path.path
        if names:
            marks.require(self._document, names[0])
        return resolve((marks.MARKS, *(marks.key(marks.path_of(name)) for name in names[:1]), *tokens[2:]))

    def _container(self, path: Sequence[str]) -> Document:
        """The container at a path, created if missing, and safe to change."""
        at = self._document
        for name in path:
            child = at.get(name)
            if child is None or id(child) not in self._owned:
                child = at[name] = dict(child or ())
                self._owned.add(id(child))
            at = child
        return at

    def _unfold(self, holder: Document, name: str) -> dict[str, None]:
        """A leaf-list as a dict, which keeps its order."""
        held = holder.get(name, ())
        if isinstance(held, dict):
            return held
        unfolded = holder[name] = dict.fromkeys(held)
        self._unfolded.append((holder, name))
        return unfolded

    def _require(self, tokens: Sequence[str], schema_path: SchemaPath) -> None:
        """Refuse to delete what does not exist."""
        at: Any = self._document
        for index, name in enumerate(schema_path.path):
            if name not in at:
                raise refuse(tokens, index, "not found")
            at = at[name]
        brackets = len(tokens) - len(schema_path.path) - len(schema_path.values)
        for index, value in enumerate(schema_path.values, len(schema_path.path) + brackets // 2):
            if value not in (at if isinstance(at, list | dict) else (at,)):
                raise refuse(tokens, index, "not found")

    def _prune(self, schema_path: SchemaPath) -> None:
        """Delete the containers that became empty, from the end of the path up to a list entry."""
        for last in range(len(schema_path.path) - 2, -1, -1):
            holder = self._container(schema_path.path[:last])
            if holder[schema_path.path[last]] or last in schema_path.keys:
                return
            del holder[schema_path.path[last]]


def to_profile(document: Document) -> Profile:
    """The profile of a document, without inactive statements. ProfileError names everything wrong."""
    try:
        return Profile.model_validate(marks.active(document))
    except ValidationError as error:
        validate_shape(document)
        raise ProfileError([_problem(dict(found)) for found in error.errors()]) from None


def _problem(found: Document) -> Problem:
    path = tuple(str(part) for part in found["loc"])
    if found["type"] == "missing":
        return Problem(path, "", f"is mandatory; expected {one_of(resolve(path).expected)}")
    return Problem(path, shown(found["input"]), str(found["msg"]))


def from_profile(profile: Profile) -> Document:
    """The document of a profile: what was set, without defaults."""
    given = profile.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return validate_shape(given)
