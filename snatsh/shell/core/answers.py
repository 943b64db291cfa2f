# SPDX-License-Identifier: Apache-2.0
"""Results of commands: data, rendered as text on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from snatsh.model.document.types import Document
from snatsh.model.errors import SnatshError

Path = tuple[str, ...]
T = TypeVar("T")

TABLE = "table"
CONFIGURATION = "configuration"
DETAIL = "detail"
"""Kinds of results, by the pipes they accept. DETAIL: offers `display detail`."""


class ShellError(SnatshError):
    """A valid command that failed. above: complete lines to show before the error."""

    def __init__(self, message: str, above: str = "") -> None:
        super().__init__(message)
        self.above = above


class Answer(ABC):
    """data: models or plain values for `| json`. text: what an operator reads. display: `| display FORM`.

    kind: its colours, see `paint`. refresh, streams: see Outcome.
    """

    __slots__ = ()

    kind: ClassVar[str] = ""
    refresh: float = 0
    streams: bool = False

    @property
    @abstractmethod
    def data(self) -> Any: ...

    @abstractmethod
    def text(self) -> str: ...

    def display(self, form: str) -> str:
        raise ShellError(f"display {form}: requires a configuration; expected json")


@dataclass(frozen=True, slots=True)
class TableAnswer(Answer, Generic[T]):
    """Operational data and its renderer."""

    content: T
    render: Callable[[T], str]

    @property
    def data(self) -> Any:
        return self.content

    def text(self) -> str:
        return self.render(self.content)


@dataclass(frozen=True, slots=True)
class Message(Answer):
    """A short text."""

    message: str

    @property
    def data(self) -> Any:
        return {"message": self.message}

    def text(self) -> str:
        return f"{self.message}\n" if self.message else ""


@dataclass(frozen=True, slots=True)
class Configuration(Answer):
    """A part of a configuration. Its forms are imported on first use."""

    document: Document
    path: Path = ()

    @property
    def data(self) -> Any:
        from snatsh.model.document import document

        found = document.part(self.document, self.path)
        if found is None:
            return {}
        name, node, held = found
        return {name: held} if node.value else held

    def text(self) -> str:
        from snatsh.model.forms import curly_form

        return curly_form.render(self.document, self.path)

    def display(self, form: str) -> str:
        from snatsh.model.forms import set_form, yaml_form

        if form == "inheritance":
            return self._with_defaults()
        forms = {"set": set_form.render, "yaml": yaml_form.render}
        return forms[form](self.document, self.path) if form in forms else self._exported(form)

    def _exported(self, dialect: str) -> str:
        """The rules in a dialect. They need their pools, so only of the whole configuration."""
        from snatsh.interop.exporting import export
        from snatsh.model.errors import ProfileError

        if self.path:
            raise ShellError(f"display {dialect}: requires the whole configuration")
        try:
            return export(self.document, dialect)
        except ProfileError as error:
            raise ShellError(f"display {dialect}: {error}") from None

    def _with_defaults(self) -> str:
        """Return the text with defaults, marked like inherited statements in Junos."""
        from snatsh.model.document import inheritance
        from snatsh.model.forms import curly_form

        document = inheritance.with_defaults(self.document)
        return curly_form.render(document, self.path, partial(inheritance.note, self.document))


@dataclass(frozen=True, slots=True)
class Difference(Answer):
    """Difference between two configurations."""

    old: Document
    new: Document
    kind: ClassVar[str] = "difference"

    @property
    def data(self) -> Any:
        from snatsh.model.changes.diff import diff

        changes = diff(self.old, self.new)
        return {"changes": [{"verb": change.verb, "path": list(change.path)} for change in changes]}

    def text(self) -> str:
        from snatsh.model.changes.diff import render_curly

        return render_curly(self.old, self.new)

    def display(self, form: str) -> str:
        from snatsh.model.changes.diff import diff, render_set

        if form != "set":
            raise ShellError(f"display {form}: not available for a comparison; expected set or json")
        return render_set(diff(self.old, self.new))
