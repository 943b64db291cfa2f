# SPDX-License-Identifier: Apache-2.0
"""An executable of the operator's that is told of every change of a link, one call after another."""

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
"""Events that wait while the executable runs. The oldest are left out: only the last state counts."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """usable: how many of all `links` new flows may take now."""

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
    """`put` events; they are handed over in order, each call within its time limit."""

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
        log.error("event hook %s is not run: %s", command, refusal)
        return
    try:
        # In a process group of its own, so that the time limit ends whatever it started. It says what it
        # has to say into snatd's log.
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
        log.error("event hook %s can't be run: %s", command, error.strerror)
        return
    try:
        status = await asyncio.wait_for(process.wait(), seconds)
        if status:
            log.error("event hook %s: status %d for link %s %s", command, status, event.link, event.state)
    except TimeoutError:
        log.error("event hook %s took longer than %d s and was ended", command, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _unfit(path: Path) -> str:
    """Why a file must not be run with snatd's rights, empty when it may."""
    try:
        found = path.stat()
    except OSError as error:
        return error.strerror or "not found"
    if not stat.S_ISREG(found.st_mode) or not os.access(path, os.X_OK):
        return "not an executable file"
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & _WRITABLE_BY_OTHERS:
        return "others than root may write it; expected mode 755 or less, owned by root"
    return ""
