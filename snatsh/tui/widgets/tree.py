# SPDX-License-Identifier: Apache-2.0
"""The candidate as a tree, beside the running configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.style import Style
from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from snatsh.model.document.types import Document
from snatsh.tui.style import palette

Path = tuple[str, ...]
_MISSING = object()


class ConfigurationTree(Tree[Path]):
    """A node per statement of either. `fill` keeps open nodes and the cursor."""

    ICON_NODE, ICON_NODE_EXPANDED = "▸ ", "▾ "
    DEFAULT_CSS = "ConfigurationTree { height: 1fr; background: $surface; padding: 0; }"

    def __init__(self) -> None:
        super().__init__("configuration", id="tree")
        self.show_root = False
        self.guide_depth = 3
        self._both: tuple[Any, Any] | None = None

    def fill(self, candidate: Document, running: Document) -> None:
        if self._both == (candidate, running):
            return
        first = self._both is None
        self._both = (candidate, running)
        open_ = {node.data for node in self._walk(self.root) if node.is_expanded}
        cursor = self.cursor_line
        self.clear()
        self._add(self.root, candidate, running, (), open_, first)
        self.root.expand()
        self.call_after_refresh(lambda: setattr(self, "cursor_line", min(cursor, self.last_line)))

    def _walk(self, node: TreeNode[Path]) -> Iterator[TreeNode[Path]]:
        yield node
        for child in node.children:
            yield from self._walk(child)

    def _add(
        self, parent: TreeNode[Path], new: Any, old: Any, path: Path, open_: set[Path | None], first: bool
    ) -> None:
        names = [*new, *(name for name in old if name not in new)]
        for name in sorted(names, key=_order) if path and path[-1] in ("rules", "pools") else names:
            mine, other = new.get(name, _MISSING), old.get(name, _MISSING)
            here = (*path, str(name))
            label = self._label(str(name), mine, other, 44 - self.guide_depth * len(here))
            if isinstance(mine, dict) or isinstance(other, dict):
                node = parent.add(
                    label, data=here, expand=here in open_ or (first and len(here) < 2) or mine != other
                )
                inner = (mine if isinstance(mine, dict) else {}, other if isinstance(other, dict) else {})
                self._add(node, *inner, here, open_, first)
            else:
                parent.add_leaf(label, data=here)

    def _label(self, name: str, mine: Any, other: Any, width: int) -> Text:
        sign, style = self._sign(mine, other)
        text = Text(f"{sign} {name}")
        values = [_value(side) for side in (mine, other)]
        text.append(f" {values[0]}" if values[0] else "")
        text.stylize(self._style(style))
        text.pad_right(
            max(0, width - text.cell_len - (2 if isinstance(mine, dict) or isinstance(other, dict) else 0))
        )
        beside = "" if other is _MISSING else f"  {name} {values[1]}".rstrip() if sign != " " else "  ="
        text.append(beside, self._style("gone" if sign in "-" else "dim"))
        return text

    def _sign(self, mine: Any, other: Any) -> tuple[str, str]:
        if other is _MISSING:
            return "+", "added"
        if mine is _MISSING:
            return "-", "gone"
        return ("~", "changed") if mine != other else (" ", "plain")

    def _style(self, name: str) -> Style:
        return palette.style(self.app.theme, name)


def _value(side: Any) -> str:
    if side is _MISSING or isinstance(side, dict):
        return ""
    return " ".join(map(str, side)) if isinstance(side, list) else str(side)


def _order(name: object) -> tuple[int, str]:
    text = str(name)
    return (int(text) if text.isdigit() else 0, text)
