# SPDX-License-Identifier: Apache-2.0
"""Pictures of every screen at two sizes, from the recording, in docs/pictures; made by `make pictures`."""

from __future__ import annotations

import asyncio
import html
import re
from pathlib import Path

from snatsh.tui.style import palette
from snatsh.tui.widgets.status import TABS
from tests.unit.tui.replay import LARGE, SMALL, Player, playing

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
SIZES = {"80x24": SMALL, "200x60": LARGE}


async def _plain(player: Player) -> None:
    await player.play()


async def _details(player: Player) -> None:
    await player.play(4)
    await player.press("slash")
    await player.type("established")
    await player.press("enter", "enter")
    await player.go(34.0)
    await player.play(5)


async def _groups(player: Player) -> None:
    await player.play(4)
    await player.press("g")


async def _keys(player: Player) -> None:
    await player.play(2)
    await player.press("question_mark")


SHOTS = {
    **{f"{name}-{size}": (name, size, palette.DARK, _plain) for name in TABS for size in SIZES},
    "dashboard-light-80x24": ("dashboard", "80x24", palette.LIGHT, _plain),
    "flow-80x24": ("flows", "80x24", palette.DARK, _details),
    "groups-80x24": ("flows", "80x24", palette.DARK, _groups),
    "keys-80x24": ("flows", "80x24", palette.DARK, _keys),
}


async def shoot(name: str) -> str:
    """The picture as SVG."""
    mode, size, theme, act = SHOTS[name]
    async with playing(SIZES[size], mode, theme) as player:
        await act(player)
        # What fonts a browser would fetch is no part of the picture.
        svg = re.sub(r"@font-face \{.*?\}\s*", "", player.app.export_screenshot(), flags=re.DOTALL)
        svg = re.sub(r"terminal-\d+", "t", svg)
        svg = re.sub(r'<clipPath id="t-line-\d+">.*?</clipPath>\s*', "", svg, flags=re.DOTALL)
        return re.sub(r' clip-path="url\(#t-line-\d+\)"', "", svg)


def content(svg: str) -> list[tuple[str, str, str, str]]:
    """Every piece of text with its place and its style, whatever the frame around looks like."""
    styles = dict(re.findall(r"\.[\w-]+-(r\d+) \{([^}]*)\}", svg))
    texts = re.findall(r'<text class="[\w-]+-(r\d+)" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg)
    return [(y, x, styles[name].strip(), html.unescape(text)) for name, x, y, text in texts]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in SHOTS:
        (FOLDER / f"{name}.svg").write_text(asyncio.run(shoot(name)))


if __name__ == "__main__":
    main()
