# SPDX-License-Identifier: Apache-2.0
"""The bottom line: keys of the current screen."""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding

from snatsh.tui.widgets.lines import Line, Lines, Piece

_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "less_than_sign": "<", "greater_than_sign": ">",
    "space": "Space", "enter": "Enter", "escape": "Esc",
}  # fmt: skip


def key_name(key: str) -> str:
    """Return the label of a key."""
    return _NAMES.get(key, key.replace("ctrl+", "^"))


class Keys(Lines):
    DEFAULT_CSS = "Keys { height: 1; background: $panel; }"

    def draw(self, width: int, height: int) -> Iterable[Line]:
        shown: dict[str, Binding] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show:
                shown.setdefault(active.binding.action, active.binding)
        bindings = list(shown.values())
        everywhere = [one for one in bindings if (one.id or "").startswith("app.")]
        here = [one for one in bindings if one not in everywhere]
        here.sort(
            key=lambda one: (one.id or "").startswith(("screen.", "table."))
        )  # those of the screen first
        # Keys of all screens are always shown, others as far as they fit; `?` lists all.
        while here and sum(map(_width, [*here, *everywhere])) >= width:
            here.pop()
        pieces: list[Piece] = [(" ", "dim")]
        for one in [*here, *everywhere]:
            pieces += [(key_name(one.key), "key"), (f" {one.description}  ", "dim")]
        yield pieces


def _width(binding: Binding) -> int:
    return len(key_name(binding.key)) + len(binding.description) + 3
