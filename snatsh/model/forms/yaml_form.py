# SPDX-License-Identifier: Apache-2.0
"""YAML form. Read from the parser's events: nothing is constructed, expanded or guessed.

Every scalar is text until the schema says otherwise, so `host-name: no` is a name and `0010` is no
number. Tags, anchors and aliases are refused, which leaves nothing to blow up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from snatsh.model.document.document import Document, part, validate_shape
from snatsh.model.errors import FormError, Path, Problem, ProfileError
from snatsh.model.schema.schema_path import members, shown
from snatsh.model.schema.tokenizer import check_size
from snatsh.model.schema.tree import Node

MAX_DEPTH = 32
"""Deeper than any profile; what is nested more is not read on."""

_NULL = ("", "~", "null", "Null", "NULL")
# libyaml's are ten times faster; PyYAML's own do where it was built without.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes what is shared between two places twice: the reader accepts no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(document: Document, path: Sequence[str] = ()) -> str:
    """The document, or the part at the path."""
    found = part(document, path)
    if found is None or found[2] == {}:
        return ""
    name, node, held = found
    shape = {name: held} if node.value else _ordered(node, held)
    return str(yaml.dump(shape, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))


def _ordered(node: Node, held: Any) -> Any:
    """The same in the order it is shown, with numbers as keys where the schema says so."""
    if node.value:
        return held
    key: type = int if node.key and node.key.kind == "integer" else str
    return {key(name): _ordered(child, value) for name, child, value in members(node, held)}


def parse(text: str, under: Sequence[str] = ()) -> Document:
    """The document in the text, all of it below a path.

    FormError where it is no YAML we read, ProfileError with every problem.
    """
    check_size(text)
    reading = _Reading()
    try:
        reading.read(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _form_error(error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise FormError(f"expected text in UTF-8: {' '.join(str(error).split())}") from None
    try:
        return validate_shape(_nested(reading.result, under))
    except ProfileError as error:
        raise ProfileError(
            [replace(found, line=reading.line_of(found)) for found in error.problems]
        ) from None


def _nested(held: Any, under: Sequence[str]) -> Any:
    for name in reversed(under):
        held = {name: held}
    return held


def _form_error(error: yaml.MarkedYAMLError) -> FormError:
    message = ": ".join(part for part in (error.context, error.problem) if part)
    return FormError(message, *_position(error.problem_mark or error.context_mark))


def _refused(event: yaml.Event, message: str) -> FormError:
    return FormError(message, *_position(event.start_mark))


def _position(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


@dataclass(slots=True)
class _Open:
    """A mapping or a sequence whose end has not been seen. name: the key that waits for its value."""

    holder: dict[str, Any] | list[Any]
    path: Path
    name: str | None = None


class _Reading:
    """Builds plain dicts, lists and texts from events, and remembers the line of each of them."""

    def __init__(self) -> None:
        self._documents: list[Any] = []
        self._open = [_Open(self._documents, ())]
        self._lines: dict[Path, int] = {}

    @property
    def result(self) -> Any:
        return self._documents[0] if self._documents else None

    def line_of(self, problem: Problem) -> int:
        """The line of the offending name or value, or of the closest thing around it."""
        path = (*problem.path, problem.value)
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 0)

    def read(self, events: Iterable[yaml.Event]) -> None:
        for event in events:
            if getattr(event, "anchor", None):
                raise _refused(event, "anchors and aliases are not accepted; expected the value written out")
            if getattr(event, "tag", None):
                raise _refused(event, "tags are not accepted; expected a plain value")
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._start(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._open.pop()
            elif isinstance(event, yaml.DocumentStartEvent) and self._documents:
                raise _refused(event, "a second document begins; expected only one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        top = self._open[-1]
        if not isinstance(top.holder, dict):
            self._lines.setdefault((*top.path, event.value), _position(event.start_mark)[0])
        elif top.name is None:
            self._name(top, top.holder, event)
            return
        is_null = not event.style and event.value in _NULL
        self._put(None if is_null else event.value)

    def _name(self, top: _Open, holder: dict[str, Any], event: yaml.ScalarEvent) -> None:
        path = (*top.path, event.value)
        if event.value in holder:
            where = " ".join(shown(name) for name in path)
            raise _refused(event, f"{where}: is given twice, first in line {self._lines[path]}")
        top.name = event.value
        self._lines[path] = _position(event.start_mark)[0]

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        top = self._open[-1]
        if isinstance(top.holder, dict) and top.name is None:
            raise _refused(event, "a list or a set of statements can't be a name; expected a word")
        if len(self._open) > MAX_DEPTH:
            raise _refused(event, f"nested more than {MAX_DEPTH} levels deep")
        path = top.path if top.name is None else (*top.path, top.name)
        holder: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(holder)
        self._open.append(_Open(holder, path))

    def _put(self, value: Any) -> None:
        top = self._open[-1]
        if isinstance(top.holder, list):
            top.holder.append(value)
        elif top.name is not None:
            top.holder[top.name] = value
            top.name = None
