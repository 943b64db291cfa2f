"""The live console on a recording of a real gateway, look by look, so that it always shows the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from snatsh.tui import look
from snatsh.tui.app import Top
from snatsh.tui.recording import ReplayClient
from snatsh.tui.screens.base import LiveScreen
from snatsh.tui.screens.flow import FlowScreen

RECORDING = Path(__file__).with_name("session.jsonl.gz")
SMALL, LARGE = (80, 24), (200, 60)
LOOKS = 12


class Clock:
    """Of the recording; it stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Player:
    """Moves the clock and has the screen look. No timer of the app ever fires."""

    def __init__(self, app: Top, clock: Clock, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self._clock = clock

    @property
    def screen(self) -> Any:
        return self.app.screen

    async def settle(self) -> None:
        """Until nothing is under way any more."""
        for _ in range(500):
            await self.pilot.pause()
            workers = [one for one in self.app.workers if one.group in ("look", "flow")]
            if all(worker.is_finished for worker in workers) and not getattr(self.screen, "_looking", False):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the screen does not come to rest")

    async def play(self, looks: int = LOOKS) -> None:
        for _ in range(looks):
            self._clock.now += 1.0
            if isinstance(self.screen, LiveScreen | FlowScreen):
                self.screen.look()
            await self.settle()

    async def go(self, at: float) -> None:
        self._clock.now = at
        await self.play(1)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        for character in text:
            await self.pilot.press(_KEYS.get(character, character))
        await self.settle()

    def text(self, query: str) -> str:
        """What a widget of lines shows."""
        return str(self.screen.query_one(query).text)


_KEYS = {
    " ": "space", ".": "full_stop", "/": "slash", ":": "colon", "=": "equals_sign", "-": "minus",
    "!": "exclamation_mark", "?": "question_mark",
}  # fmt: skip


@asynccontextmanager
async def playing(
    size: tuple[int, int] = SMALL, mode: str = "dashboard", theme: str = look.DARK, **options: Any
) -> AsyncIterator[Player]:
    clock = Clock()
    client = options.pop("client", None) or ReplayClient(RECORDING, clock)
    app = Top(client, interval=3600, mode=mode, theme=theme, clock=lambda: "12:00:00", **options)
    async with app.run_test(size=size) as pilot:
        player = Player(app, clock, pilot)
        await player.settle()
        yield player
