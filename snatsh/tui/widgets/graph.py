# SPDX-License-Identifier: Apache-2.0
"""Graphs and meters of block characters, and number formats."""

from __future__ import annotations

from collections.abc import Sequence

from snatsh.shell.render.text import size
from snatsh.tui.widgets.lines import Piece

_BLOCKS = " ▁▂▃▄▅▆▇█"


def graph(values: Sequence[float | None], width: int, height: int = 1, top: float = 0.0) -> list[str]:
    """Draw values as columns, newest on the right; None is a gap. top: the least value of full height."""
    shown = list(values)[-width:] if width > 0 else []
    most = max([top, *(value for value in shown if value is not None)], default=0.0) or 1.0
    steps = [None if value is None else round(value / most * height * 8) for value in shown]
    # Any value above zero is visible.
    steps = [1 if step == 0 and value else step for step, value in zip(steps, shown, strict=True)]
    rows = []
    for row in range(height - 1, -1, -1):
        cells = (" " if step is None else _BLOCKS[min(8, max(0, step - 8 * row))] for step in steps)
        rows.append("".join(cells).rjust(width))
    return rows


def meter(share: float, width: int, name: str = "") -> list[Piece]:
    """Draw a bar with its percentage. name: a style, else by level."""
    label = percent(share)
    inner = max(1, width - len(label) - 3)
    full = min(inner, max(0, round(share * inner)))
    if share > 0 and full == 0:
        full = 1
    name = name or level(share)
    return [
        ("▐", "dim"),
        ("█" * full, name),
        ("·" * (inner - full), "dim"),
        ("▌", "dim"),
        (f" {label}", name),
    ]


def level(share: float) -> str:
    """Return the style of a share by how close it is to 1."""
    return "bad" if share >= 0.9 else "warn" if share >= 0.75 else "good"


def percent(share: float) -> str:
    return f"{share * 100:3.0f}%" if share == 0 or share >= 0.01 else " <1%"


def bits(value: float | None) -> str:
    """Format bits per second."""
    return "-" if value is None else f"{size(value)}b/s"


def per_second(value: float | None) -> str:
    return "-" if value is None else f"{size(value)}/s"


def packets(rate: float | None) -> str:
    """Format packets per second."""
    return "-" if rate is None else f"{size(rate)} pkts/s"
