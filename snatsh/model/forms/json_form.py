# SPDX-License-Identifier: Apache-2.0
"""JSON form: the structure of the YAML form, in ASCII."""

from __future__ import annotations

import json
from collections.abc import Sequence

from snatsh.model.document.document import Document, part
from snatsh.model.forms import json_reader


def render(document: Document, path: Sequence[str] = ()) -> str:
    """The document, or the part at the path."""
    found = part(document, path)
    if found is None:
        return "{}\n"
    name, node, held = found
    return json.dumps({name: held} if node.value else held, indent=2) + "\n"


def parse(text: str, under: Sequence[str] = ()) -> Document:
    """The document in the text, all of it below a path.

    FormError where it is no JSON, ProfileError with every problem.
    """
    return json_reader.read(text).document(under)
