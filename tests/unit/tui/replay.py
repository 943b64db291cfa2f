# SPDX-License-Identifier: Apache-2.0
"""The live console on a recording of a real gateway, look by look, so that it always shows the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot
from textual.worker import Worker

from snatsh.tui.app import Top
from snatsh.tui.recording import ReplayClient
from snatsh.tui.screens.base import LiveScreen
from snatsh.tui.screens.flow import FlowScreen
from snatsh.tui.style import palette
from snatsh.tui.widgets.dialogs import Ask, Question

RECORDING = Path(__file__).with_name("session.jsonl.gz")
SMALL, LARGE = (80, 24), (200, 60)
LOOKS = 12
REST_SECONDS = 60.0
HOPS = 6
"""A key passes at most so many queues: app, screen, widget, its messages up again, what they call later."""


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
        """Until nothing is under way any more: by what is queued and what works, never by time."""
        deadline = time.monotonic() + REST_SECONDS
        while True:
            for _ in range(HOPS):
                await self.pilot.pause(0)
            if not any(self._works(worker) for worker in self.app.workers):
                return
            assert time.monotonic() < deadline, f"never at rest: {list(self.app.workers)}"
            await asyncio.sleep(0.002)

    def _works(self, worker: Worker[Any]) -> bool:
        """Not those that wait for somebody to answer."""
        asked = isinstance(self.screen, Ask | Question)
        return not worker.is_finished and not (asked and worker.group not in ("look", "flow"))

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + REST_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it never came"
            await asyncio.sleep(0.02)
            await self.settle()

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
            self._send(key)
            await self.settle()

    async def type(self, text: str) -> None:
        for character in text:
            self._send(_KEYS.get(character, character))
        await self.settle()

    def _send(self, key: str) -> None:
        character = key if len(key) == 1 else _CHARACTERS.get(key)
        event = events.Key(key, character)
        event.set_sender(self.app)
        self.app.post_message(event)

    @property
    def output(self) -> str:
        """Every notification that is shown."""
        return "\n".join(note.message for note in self.app._notifications)

    def text(self, query: str) -> str:
        """What a widget of lines shows."""
        return str(self.screen.query_one(query).text)


_KEYS = {
    " ": "space", ".": "full_stop", "/": "slash", ":": "colon", "=": "equals_sign", "-": "minus",
    "!": "exclamation_mark", "?": "question_mark",
}  # fmt: skip
_CHARACTERS = {key: character for character, key in _KEYS.items()}


@asynccontextmanager
async def playing(
    size: tuple[int, int] = SMALL, mode: str = "dashboard", theme: str = palette.DARK, **options: Any
) -> AsyncIterator[Player]:
    clock = Clock()
    client = options.pop("client", None) or ReplayClient(RECORDING, clock)
    app = Top(client, interval=3600, mode=mode, theme=theme, clock=lambda: "12:00:00", **options)
    async with app.run_test(size=size) as pilot:
        player = Player(app, clock, pilot)
        await player.settle()
        yield player
