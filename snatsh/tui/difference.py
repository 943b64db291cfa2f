# SPDX-License-Identifier: Apache-2.0
"""Comparison of two configurations in curly form."""

from __future__ import annotations

from snatsh.model.document.types import Document


def difference(old: Document, new: Document) -> str:
    """Return the difference, empty when there is none. The model is imported on first use."""
    from snatsh.model.changes.diff import render_curly

    return render_curly(old, new)
