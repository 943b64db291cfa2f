# SPDX-License-Identifier: Apache-2.0
"""What one configuration has and another has not, as curly text."""

from __future__ import annotations

from snatsh.model.document.types import Document


def difference(old: Document, new: Document) -> str:
    """Empty when there is none. The model is loaded for it, which no first screen waits for."""
    from snatsh.model.changes.diff import render_curly

    return render_curly(old, new)
