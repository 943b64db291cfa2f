# SPDX-License-Identifier: Apache-2.0
"""Edit sessions: which process edits which candidate. A session ends with its process."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from snatsh.api.configuration import EditMode
from snatsh.engine.config.candidate import Candidate
from snatsh.engine.errors import EngineError
from snatsh.model.document.document import Document


class Locked(EngineError):
    """Another session holds the configuration exclusively."""

    def __init__(self, holders: list[EditSession], what: str = "configuration database locked by:") -> None:
        super().__init__("\n".join([what, *(f"  {session.described}" for session in holders)]))


@dataclass
class EditSession:
    """A console in configuration mode. candidate: the one it edits."""

    pid: int
    user: str
    terminal: str
    mode: EditMode
    candidate: Candidate
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    used: float = field(default_factory=time.monotonic)
    path: tuple[str, ...] = ()

    @property
    def idle(self) -> float:
        """Seconds since the last request."""
        return time.monotonic() - self.used

    @property
    def described(self) -> str:
        """The session as Junos displays the holder of a lock."""
        minutes, seconds = divmod(int(self.idle), 60)
        hours, minutes = divmod(minutes, 60)
        mode = "" if self.mode == "shared" else f"{self.mode} "
        return (
            f"{self.user} terminal {self.terminal or 'none'} (pid {self.pid}) on since "
            f"{self.started:%Y-%m-%d %H:%M:%S} UTC, idle {hours:02}:{minutes:02}:{seconds:02}\n"
            f"      {mode}[edit{''.join(f' {word}' for word in self.path)}]"
        )


class EditSessions:
    """All edit sessions, by pid. editing: held while candidates change."""

    def __init__(self, shared: Candidate) -> None:
        self.shared = shared
        self.editing = asyncio.Lock()
        self._by_pid: dict[int, EditSession] = {}
        self._watched: dict[int, int] = {}

    def all(self) -> list[EditSession]:
        return sorted(self._by_pid.values(), key=lambda session: session.started)

    def of(self, pid: int) -> EditSession | None:
        """Return the session of a process and reset its idle time."""
        session = self._by_pid.get(pid)
        if session is not None:
            session.used = time.monotonic()
        return session

    def candidate(self, pid: int) -> Candidate:
        """Return the candidate that a process edits and commits."""
        session = self.of(pid)
        return session.candidate if session else self.shared

    def open(self, pid: int, user: str, terminal: str, mode: EditMode, running: Document) -> EditSession:
        """Enter configuration mode. Locked when another session prevents it."""
        self.close(pid)
        self.require_free(pid)
        if mode == "exclusive" and self.shared.changed:
            raise Locked(self._sharing(), "configuration database modified; commit it or rollback 0 first")
        candidate = Candidate(running) if mode == "private" else self.shared
        session = EditSession(pid, user, terminal, mode, candidate)
        self._watch(pid)
        self._by_pid[pid] = session
        return session

    def close(self, pid: int) -> None:
        """Leave configuration mode. Uncommitted changes of an exclusive or private session are discarded."""
        session = self._by_pid.pop(pid, None)
        descriptor = self._watched.pop(pid, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)
        if session is not None and session.mode == "exclusive":
            self.shared.discard()

    def close_all(self) -> None:
        for pid in list(self._by_pid):
            self.close(pid)

    def require_free(self, pid: int) -> None:
        """Locked when a process other than this one holds the configuration exclusively."""
        holders = [s for s in self._by_pid.values() if s.mode == "exclusive" and s.pid != pid]
        if holders:
            raise Locked(holders)

    def follow(self, running: Document, source: Candidate | None = None) -> None:
        """Rebase the shared candidate and unchanged private ones. source: where the commit came from."""
        private = [session.candidate for session in self._by_pid.values() if session.mode == "private"]
        for candidate in (self.shared, *private):
            if candidate is not source and (candidate is self.shared or not candidate.changed):
                candidate.rebase(running)

    def _sharing(self) -> list[EditSession]:
        return [session for session in self._by_pid.values() if session.mode == "shared"]

    def _watch(self, pid: int) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:
            raise EngineError(
                f"process {pid} cannot be watched ({error.strerror}); expected a console on this host"
            ) from None
        self._watched[pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self.close, pid)
