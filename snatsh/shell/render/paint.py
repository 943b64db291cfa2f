# SPDX-License-Identifier: Apache-2.0
"""Colours of output on a terminal. The text conveys the same without them."""

from __future__ import annotations

_RED, _GREEN, _YELLOW, _BOLD, _NONE = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m", "\x1b[m"
_COLOURS = {
    "difference": {"+": _GREEN, "-": _RED, "!": _YELLOW, "[edit": _BOLD},
    "error": {"warning:": _YELLOW, "": _RED},
    "": {"warning:": _YELLOW},
}
"""Colours by kind of output and start of the line."""


def paint(text: str, kind: str) -> str:
    """Colour each line by its start."""
    colours = _COLOURS.get(kind, {})
    return "".join(_line(line, colours) for line in text.splitlines(keepends=True))


def _line(line: str, colours: dict[str, str]) -> str:
    bare = line.rstrip("\n")
    colour = next((colour for start, colour in colours.items() if line.startswith(start)), "")
    return f"{colour}{bare}{_NONE}{line[len(bare) :]}" if colour and bare else line
