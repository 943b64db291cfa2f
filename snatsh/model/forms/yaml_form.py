# SPDX-License-Identifier: Apache-2.0
"""YAML form. Every scalar is text until the schema says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from snatsh.model.document.document import Document, part
from snatsh.model.forms import yaml_reader
from snatsh.model.schema.schema_path import members
from snatsh.model.schema.tokenizer import BIDI_CONTROL, bidi_escape
from snatsh.model.schema.tree import Node

_SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SafeDumper):  # type: ignore[misc]
    """Writes what is shared between two places twice: the reader accepts no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    """Quote text that needs an escape."""
    style = '"' if BIDI_CONTROL.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def render(document: Document, path: Sequence[str] = ()) -> str:
    """The document, or the part at the path."""
    found = part(document, path)
    if found is None or found[2] == {}:
        return ""
    name, node, held = found
    shape = {name: held} if node.value else _ordered(node, held)
    text = yaml.dump(shape, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return BIDI_CONTROL.sub(bidi_escape, text)


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
    return yaml_reader.read(text).document(under)
