# SPDX-License-Identifier: Apache-2.0
"""The event hook: a program of the operator that runs on every change of link state, one call at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import stat
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from snatsh.model.schema.profile import EventHook as Settings

log = logging.getLogger(__name__)

MOST_WAITING = 64
"""Most events queued while the program runs. The oldest are dropped: the last state counts."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


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
    """Runs the program once for each event, in order, within a time limit."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._waiting: deque[LinkEvent] = deque(maxlen=MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def put(self, event: LinkEvent) -> None:
        if self.settings.command is None:
            return
        self._waiting.append(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if self.settings.command is not None:
                await _call(self.settings.command, self.settings.timeout, event)


async def _call(command: str, seconds: int, event: LinkEvent) -> None:
    if refusal := _unfit(Path(command)):
        log.error("event hook %s refused: %s", command, refusal)
        return
    try:
        # A new session, so that the time limit also ends its children. Its output goes to the snatd log.
        process = await asyncio.create_subprocess_exec(
            command,
            event.state,
            event.link,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,
            env=event.environment,
            start_new_session=True,
        )
    except OSError as error:
        log.error("event hook %s cannot be run: %s", command, error.strerror)
        return
    try:
        status = await asyncio.wait_for(process.wait(), seconds)
        if status:
            log.error(
                "event hook %s: exit status %d for link %s %s", command, status, event.link, event.state
            )
    except TimeoutError:
        log.error("event hook %s killed after %d s", command, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _unfit(path: Path) -> str:
    """Return why a file must not run with the rights of snatd, empty if it may."""
    try:
        found = path.stat()
    except OSError as error:
        return error.strerror or "not found"
    if not stat.S_ISREG(found.st_mode) or not os.access(path, os.X_OK):
        return "not an executable file"
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & _WRITABLE_BY_OTHERS:
        return "writable by others than root; expected mode 755 or less, owned by root"
    return ""
