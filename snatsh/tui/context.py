# SPDX-License-Identifier: Apache-2.0
"""The app of a widget, by its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snatsh.tui.app import Top


def top_of(app: object) -> Top:
    from snatsh.tui.app import Top

    assert isinstance(app, Top)
    return app
