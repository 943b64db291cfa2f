# SPDX-License-Identifier: Apache-2.0
"""Configuration in files: formats, reading, writing, and shipped profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snatsh.api.configuration import Statement
from snatsh.client import Rejected
from snatsh.model.document.types import Document
from snatsh.shell.core.answers import Path, ShellError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from snatsh.client import Client


def shipped_profiles() -> dict[str, Traversable]:
    """Return the shipped profiles by name."""
    from snatsh.resources import folder

    files = folder("profiles").iterdir()
    return {file.name.removesuffix(".yaml"): file for file in files if file.name.endswith(".yaml")}


def shipped(name: str) -> str:
    """Return the text of a shipped profile."""
    return shipped_profiles()[name].read_text(encoding="utf-8")


def own(client: Client, name: str) -> str:
    """Return the text of a profile that the user saved."""
    try:
        return client.file(f"{name}.yaml")
    except Rejected:
        known = ", ".join(sorted(shipped_profiles())) or "none"
        raise ShellError(f"no profile {name}; expected one of: {known}, or a saved profile") from None


def parse(text: str, under: Path = ()) -> Document:
    """Parse a configuration below a path, in curly form, YAML or JSON by how it begins."""
    from snatsh.model.forms import any_form

    if any_form.form_of(text) == "set":
        raise ShellError("set commands found; expected curly form, YAML or JSON; use `load set`")
    return any_form.parse(text, under)


def set_commands(text: str, under: Path = ()) -> tuple[list[Statement], list[int]]:
    """Return the statements of a text of set commands, and the line of each."""
    from snatsh.model.forms import set_form

    found = list(set_form.statements(text, under))
    return [Statement(one.verb, one.tokens) for one in found], [one.line for one in found]


def render(name: str, document: Document) -> str:
    """Render the document in the format of the file name, curly by default."""
    from snatsh.model.forms import curly_form, json_form, set_form, yaml_form

    if name.endswith((".yaml", ".yml")):
        return yaml_form.render(document)
    if name.endswith(".set"):
        return set_form.render(document)
    if name.endswith(".json"):
        return json_form.render(document)
    return curly_form.render(document)


def restrict(document: Document, path: Path) -> Document:
    """Return the part of a document at or below a path."""
    if not path:
        return document
    return _restricted(document, path) | _marks(document, path)


def _marks(document: Document, path: Path) -> Document:
    from snatsh.model.document import marks

    found = marks.of(document, path)
    return {marks.MARKS: {marks.key(at): dict(mark) for at, mark in found.items()}} if found else {}


def _restricted(document: Document, path: Path) -> Document:
    word, *rest = path
    if not isinstance(document, dict) or word not in document:
        return {}
    inner = _restricted(document[word], tuple(rest)) if rest else document[word]
    return {} if rest and inner == {} else {word: inner}
