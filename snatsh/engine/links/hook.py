# SPDX-License-Identifier: Apache-2.0
"""The event hook: a program of the operator that runs on every change of link state, one call at a time.

The launcher, a process of its own, checks the program and runs it as an unprivileged user.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from snatsh.model.schema.profile import EventHook as Settings

log = logging.getLogger(__name__)

MOST_WAITING = 64
"""Most events queued while the program runs. The oldest are dropped: the last state counts."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_BYTES = 4096
_GRACE = 5
"""Seconds beyond the time limit until the launcher has to have answered."""


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """links: number of links. usable: number of links that new flows may use."""

    link: str
    state: str
    before: str
    reason: str
    time: str
    usable: int
    links: int

    @property
    def environment(self) -> Mapping[str, str]:
        values = {name: str(getattr(self, name)) for name in self.__slots__}
        return {"PATH": _PATH, **{f"SNATSH_{name.upper()}": value for name, value in values.items()}}


class HookRunner:
    """Runs the program once for each event, in order, within a time limit. launcher: the socket to it."""

    def __init__(self, launcher: socket.socket) -> None:
        self.settings = Settings()
        self._launcher = launcher
        self._waiting: deque[LinkEvent] = deque(maxlen=MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def put(self, event: LinkEvent) -> None:
        if self.settings.command is None:
            return
        self._waiting.append(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End the program that runs, with the launcher."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._launcher.close()

    async def _run(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if self.settings.command is not None:
                await self._call(self.settings.command, self.settings.timeout, event)

    async def _call(self, command: str, seconds: int, event: LinkEvent) -> None:
        request = {
            "command": command,
            "arguments": [event.state, event.link],
            "environment": dict(event.environment),
            "seconds": seconds,
        }
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self._launcher, json.dumps(request).encode())
            async with asyncio.timeout(seconds + _GRACE):
                outcome = (await loop.sock_recv(self._launcher, _MOST_BYTES)).decode()
        except (OSError, TimeoutError):
            outcome = ""
        if outcome != "ok":
            reason = outcome or "its launcher has ended; restart snatd"
            log.error("event hook %s for link %s %s: %s", command, event.link, event.state, reason)
