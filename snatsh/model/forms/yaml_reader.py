# SPDX-License-Identifier: Apache-2.0
"""YAML read from the parser's events: nothing is constructed, expanded or guessed.

Every scalar is text, so `host-name: no` is a name and `0010` is no number. Tags, anchors and
aliases are refused, which leaves nothing to blow up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from snatsh.model.document.types import Document
from snatsh.model.errors import FormError, Path
from snatsh.model.forms.located_text import LocatedText
from snatsh.model.limits import MAX_DEPTH, TOO_DEEP, accept
from snatsh.model.schema.schema_path import shown

_NULL = ("", "~", "null", "Null", "NULL")
_FLOW = re.compile(
    r"""
    (?<![^\s\[{,:]) (?: '[^']*+'? | "[^"\\]*+(?:\\.[^"\\]*+)*+"? )  # in quotes
    | (?<!\S) \#[^\n]*                                               # a comment
    | (?P<open>[\[{]) | (?P<close>[\]}])
    """,
    re.DOTALL | re.VERBOSE,
)
# libyaml's are ten times faster; PyYAML's own do where it was built without.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str) -> LocatedText:
    """FormError where it is no YAML we read."""
    text = accept(text)
    reading = _Reading()
    try:
        reading.read(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise reading.too_deep(text, error) or _form_error(error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise FormError(f"expected text in UTF-8: {' '.join(str(error).split())}") from None
    return reading.result


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

    holder: Document | list[Any]
    path: Path
    name: str | None = None


class _Reading:
    """Builds plain dicts, lists and texts from events, and remembers the line of each of them."""

    def __init__(self) -> None:
        self._documents: list[Any] = []
        self._open = [_Open(self._documents, ())]
        self._lines: dict[Path, int] = {}
        self._at = 0

    @property
    def result(self) -> LocatedText:
        return LocatedText(self._documents[0] if self._documents else None, self._lines)

    def read(self, events: Iterable[yaml.Event]) -> None:
        for event in events:
            self._at = event.end_mark.index if event.end_mark else self._at
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

    def too_deep(self, text: str, error: yaml.MarkedYAMLError) -> FormError | None:
        """Our limit, where the parser gave up on what it read ahead and our limit lies before that.

        It looks ahead for the end of a key, up to a line, before it hands out the first event.
        """
        mark = error.problem_mark
        depth = len(self._open) - 1
        for found in _FLOW.finditer(text, self._at, mark.index + 1 if mark else self._at):
            depth += 1 if found["open"] else -1 if found["close"] else 0
            if depth > MAX_DEPTH:
                at = found.start()
                return FormError(TOO_DEEP, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        return None

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        top = self._open[-1]
        if not isinstance(top.holder, dict):
            self._lines.setdefault((*top.path, event.value), _position(event.start_mark)[0])
        elif top.name is None:
            self._name(top, top.holder, event)
            return
        is_null = not event.style and event.value in _NULL
        self._put(None if is_null else event.value)

    def _name(self, top: _Open, holder: Document, event: yaml.ScalarEvent) -> None:
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
            raise _refused(event, TOO_DEEP)
        path = top.path if top.name is None else (*top.path, top.name)
        holder: Document | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(holder)
        self._open.append(_Open(holder, path))

    def _put(self, value: Any) -> None:
        top = self._open[-1]
        if isinstance(top.holder, list):
            top.holder.append(value)
        elif top.name is not None:
            top.holder[top.name] = value
            top.name = None
