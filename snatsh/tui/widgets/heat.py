# SPDX-License-Identifier: Apache-2.0
"""Heat map of shares: a digit for the tenths, and a colour."""

from __future__ import annotations

from collections.abc import Iterator

from snatsh.api.pools import HeatMap
from snatsh.tui.widgets.lines import Line, Piece


def heat_lines(heat: HeatMap, width: int, height: int) -> Iterator[Line]:
    """Draw the map; cells are combined when there are more than fit."""
    cells, per_cell = heat.cells, heat.per_cell
    room = max(1, width * max(1, height - 1))
    if len(cells) > room:
        joined = -(-len(cells) // room)
        cells = "".join(max(cells[at : at + joined]) for at in range(0, len(cells), joined))
        per_cell *= joined
    what = "one address per cell" if per_cell == 1 else f"{per_cell} addresses per cell, fullest counts"
    yield [(f"from {heat.first}, {what}: · unused, 1-9 tenths in use", "dim")]
    for at in range(0, len(cells), width):
        pieces: list[Piece] = []
        for cell in cells[at : at + width]:
            style = f"heat{cell}"
            sign = "·" if cell == "0" else cell
            if pieces and pieces[-1][1] == style:
                pieces[-1] = (pieces[-1][0] + sign, style)
            else:
                pieces.append((sign, style))
        yield pieces
