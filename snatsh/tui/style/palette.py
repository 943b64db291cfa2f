# SPDX-License-Identifier: Apache-2.0
"""Colours by meaning. A word or sign always conveys the same as the colour."""

from __future__ import annotations

from functools import cache

from rich.style import Style
from textual.theme import Theme

DARK, LIGHT = "snatsh-dark", "snatsh-light"

_COLOURS = {
    DARK: {
        "plain": "#d8dee6", "dim": "#7d8895", "title": "bold #9fc5e8", "good": "#7fd08a",
        "warn": "bold #f0c35a", "bad": "bold #ff7a70", "graph": "#5fb3d9", "graph2": "#c99be8",
        "added": "#7fd08a", "gone": "#ff7a70",
        "changed": "#f0c35a", "marked": "bold #f0c35a", "head": "bold #9fb3c8", "cursor": "reverse",
        "key": "bold #f0c35a", "tab": "bold reverse #9fc5e8", "alarm": "bold reverse #ff7a70",
        "well": "bold reverse #7fd08a", "caution": "bold reverse #f0c35a",
        **{f"heat{level}": colour for level, colour in enumerate((
            "#4a5560", "#3f7fa6", "#3f97a6", "#45a58c", "#62b06a", "#98b554", "#c9b34a", "#e39a45", "#f0783f",
            "bold #ff5a50"))},
    },
    LIGHT: {
        "plain": "#24292f", "dim": "#6a737d", "title": "bold #1f5f99", "good": "#1a7f37",
        "warn": "bold #9a6700", "bad": "bold #c42b1c", "graph": "#1f78b4", "graph2": "#8250df",
        "added": "#1a7f37", "gone": "#c42b1c",
        "changed": "#9a6700", "marked": "bold #9a6700", "head": "bold #44546a", "cursor": "reverse",
        "key": "bold #9a6700", "tab": "bold reverse #1f5f99", "alarm": "bold reverse #c42b1c",
        "well": "bold reverse #1a7f37", "caution": "bold reverse #9a6700",
        **{f"heat{level}": colour for level, colour in enumerate((
            "#b8c0c8", "#6aa9d0", "#4f9fb5", "#3f9c86", "#4f9a50", "#7f9a2f", "#a8901f", "#c27a1a", "#cf5a17",
            "bold #c42b1c"))},
    },
}  # fmt: skip

THEMES = (
    Theme(
        name=DARK, primary="#5fb3d9", secondary="#c99be8", warning="#f0c35a", error="#ff7a70",
        success="#7fd08a", accent="#f0c35a", foreground="#d8dee6", background="#12161b", surface="#12161b",
        panel="#1c232b", dark=True,
    ),
    Theme(
        name=LIGHT, primary="#1f78b4", secondary="#8250df", warning="#9a6700", error="#c42b1c",
        success="#1a7f37", accent="#9a6700", foreground="#24292f", background="#fbfcfd", surface="#fbfcfd",
        panel="#edf1f5", dark=False,
    ),
)  # fmt: skip


@cache
def style(theme: str, name: str) -> Style:
    """Return a style. name: one or more of the meanings above, separated by blanks."""
    colours = _COLOURS.get(theme, _COLOURS[DARK])
    found = Style()
    for part in name.split():
        found += Style.parse(colours[part])
    return found
