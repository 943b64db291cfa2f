# SPDX-License-Identifier: Apache-2.0
"""The schema's defaults in a document, for `display inheritance`."""

from __future__ import annotations

from typing import Any

from snatsh.model.document.document import Document
from snatsh.model.errors import Path
from snatsh.model.schema.tree import Node, root

NOTE = "default"


def with_defaults(document: Document) -> Document:
    """The document with every default of what it holds written out."""
    filled: Document = _filled(root(), document)
    return filled


def _filled(node: Node, held: Any) -> Any:
    if node.kind == "list":
        return {key: _filled(node.entry, entry) for key, entry in held.items()}
    filled = dict(held)
    for name, child in node.children.items():
        if child.kind == "leaf" and child.default is not None:
            assert child.value is not None
            filled.setdefault(name, child.value.parse(child.default))
        elif name in held and child.value is None:
            filled[name] = _filled(child, held[name])
        elif child.kind == "container" and not child.presence:
            inner = _filled(child, {})
            if inner:
                filled[name] = inner
    return filled


def note(document: Document, path: Path) -> str:
    """Return the note on a statement that the document does not have, but its defaults."""
    held: Any = document
    for name in path:
        if not isinstance(held, dict) or name not in held:
            return f" ## {NOTE}"
        held = held[name]
    return ""
