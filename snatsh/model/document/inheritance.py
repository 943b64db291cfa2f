# SPDX-License-Identifier: Apache-2.0
"""The schema's defaults in a document, for `display inheritance`."""

from __future__ import annotations

import re
from typing import Any

from snatsh.model.document.document import Document
from snatsh.model.errors import Path
from snatsh.model.schema.tree import Node, root

NOTE = "default"
_MARKED = re.compile(r"^(?:(?:inactive|protect): )+")


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


def mark(text: str, document: Document, path: Path) -> str:
    """Curly text with `##` behind each statement that the document itself does not have."""
    lines, above = [], list(path)
    for line in text.splitlines():
        bare = _MARKED.sub("", line.strip())
        if bare.startswith(("/*", "#")):
            lines.append(line)
            continue
        if bare.endswith("{"):
            above.append(bare[:-1].strip().strip('"'))
        elif bare == "}":
            above.pop()
        elif bare.endswith(";") and not _has(document, (*above, bare.split()[0].rstrip(";"))):
            lines.append(f"{line} ## {NOTE}")
            continue
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def _has(document: Any, path: Path) -> bool:
    for name in path:
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return True
