# SPDX-License-Identifier: Apache-2.0
"""Checks the shape of a document: known names, each value valid by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from snatsh.model.document import marks
from snatsh.model.document.types import Document
from snatsh.model.errors import FormError, Path, Problem, ProfileError, StatementError
from snatsh.model.schema.schema_path import one_of, shown, unknown, what_fits
from snatsh.model.schema.tree import Node, ValueType, root

MAX_PROBLEMS = 1000
"""Problems after which reading stops; a file of another format would have one per line."""


def validate_shape(given: Any) -> Document:
    """The object as a document with canonical values. ProfileError with all problems.

    A value may be text or a number, the only value of a leaf-list may stand without its list, and None may
    stand for an empty set of statements.
    """
    walk = _Walk()
    document = walk.container(root(), given, ())
    walk.marked(document)
    if walk.problems:
        raise ProfileError(walk.problems)
    return marks.tidy(document)


class _Walk:
    """One walk over an object, no deeper than the schema."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def container(self, node: Node, given: Any, path: Path) -> Document:
        """The statements of a container or of a list entry, without empty ones."""
        result = {}
        for name, value in self._items(given, path):
            child = node.children.get(name) if isinstance(name, str) else None
            if child is None:
                self._report(path, name, unknown(shown(name), tuple(node.children)))
                continue
            kept = self._child(child, value, (*path, child.name))
            if kept is not None and kept not in ({}, []):
                result[child.name] = kept
        return result

    def marked(self, document: Document) -> None:
        """Check that each mark names a possible statement."""
        for name in document.get(marks.MARKS, {}):
            try:
                marks.path_of(name)
            except (StatementError, FormError) as error:
                self._report((marks.MARKS,), name, str(error))

    def _child(self, node: Node, given: Any, path: Path) -> Any:
        if node.kind == "container":
            return self.container(node, given, path)
        if node.kind == "list":
            return self._list(node, given, path)
        assert node.value is not None
        if node.kind == "leaf":
            return self._leaf(node.value, given, path)
        return self._leaf_list(node.value, given, path)

    def _list(self, node: Node, given: Any, path: Path) -> Document:
        assert node.key is not None
        result: Document = {}
        for name, value in self._items(given, path):
            key = self._leaf(node.key, name, path)
            if key is None:
                continue
            if str(key) in result:
                self._report(path, name, "is given twice")
            result[str(key)] = self.container(node, value, (*path, str(key)))
        return result

    def _items(self, given: Any, path: Path) -> Iterator[tuple[Any, Any]]:
        if isinstance(given, dict):
            return iter(given.items())
        if given is not None:
            self._report(path, given, "expected a set of statements")
        return iter(())

    def _leaf_list(self, kind: ValueType, given: Any, path: Path) -> list[Any]:
        result: dict[Any, None] = {}
        for value in given if isinstance(given, list | tuple) else [given]:
            parsed = self._leaf(kind, value, path)
            if parsed is not None and parsed in result:
                self._report(path, value, "is given twice")
            elif parsed is not None:
                result[parsed] = None
        return list(result)

    def _leaf(self, kind: ValueType, given: Any, path: Path) -> Any:
        if isinstance(given, bool) or not isinstance(given, str | int):
            self._report(path, given, f"expected {one_of(what_fits(kind))}")
            return None
        try:
            return kind.parse(given if isinstance(given, str) else str(given))
        except ValueError as error:
            self._report(path, given, str(error))
            return None

    def _report(self, path: Path, value: object, reason: str) -> None:
        self.problems.append(Problem(path, "" if value is None else shown(value), reason))
        if len(self.problems) >= MAX_PROBLEMS:
            raise ProfileError(self.problems)
