# SPDX-License-Identifier: Apache-2.0
"""The form of a text, by how it begins. The modules of the forms are imported when a text needs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from snatsh.model.document.types import Document
from snatsh.model.limits import accept

FormName = Literal["set", "yaml", "json", "curly"]

_JSON = re.compile(r'\s*\{\s*(["}]|$)')
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_YAML_NAME = re.compile(r"(?!(inactive|protect|replace|delete):)[^\s{;]+:(\s|$)")


def form_of(text: str) -> FormName:
    """Return the form of a text. A brace with a name in quotes, or nothing, begins JSON."""
    from snatsh.model.document.marks import VERBS

    text = accept(text)
    if _JSON.match(text):
        return "json"
    lines = (line.strip() for line in _COMMENT.sub("", text).splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if re.match(rf"(set|delete|{'|'.join(VERBS)})\s", first):
        return "set"
    return "yaml" if first.startswith(("{", "---", "%")) or _YAML_NAME.match(first) else "curly"


def parse(text: str, under: Sequence[str] = ()) -> Document:
    """The document of a text in any form; that of the set form has no path above it.

    FormError when it can't be parsed, ProfileError with all problems.
    """
    form = form_of(text)
    if form == "set":
        from snatsh.model.forms import set_form

        return set_form.parse(text)
    if form == "json":
        from snatsh.model.forms import json_form

        return json_form.parse(text, under)
    if form == "yaml":
        from snatsh.model.forms import yaml_form

        return yaml_form.parse(text, under)
    from snatsh.model.forms import curly_form

    return curly_form.parse(text, under)
