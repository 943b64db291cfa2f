# SPDX-License-Identifier: Apache-2.0
"""Editing of candidates: one change at a time, by the process that holds the candidate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal

from snatsh.api.configuration import EditMode
from snatsh.engine.config.archive import Archive
from snatsh.engine.config.candidate import Candidate, EditStatement
from snatsh.engine.config.commit import Committer
from snatsh.engine.config.edit_sessions import EditSession, EditSessions
from snatsh.model.changes.merge import conflicts
from snatsh.model.document.document import Document


class EditService:
    """Edit sessions and their candidates. Processes are identified by pid."""

    def __init__(self, sessions: EditSessions, committer: Committer, archive: Archive) -> None:
        self._sessions = sessions
        self._committer = committer
        self._archive = archive

    def sessions(self) -> list[EditSession]:
        return self._sessions.all()

    def session(self, pid: int) -> EditSession | None:
        return self._sessions.of(pid)

    def enter(self, pid: int, user: str, terminal: str, mode: EditMode) -> EditSession:
        """Enter configuration mode."""
        return self._sessions.open(pid, user, terminal, mode, self._committer.current.document)

    def leave(self, pid: int) -> None:
        """Leave configuration mode."""
        self._sessions.close(pid)

    def candidate(self, pid: int) -> Candidate:
        """Return the private candidate of a process, or the shared one."""
        return self._sessions.candidate(pid)

    def values(self, pid: int, path: Sequence[str]) -> list[str]:
        """List what is below a path of the candidate: keys of a list, values of a leaf."""
        held: Any = self.candidate(pid).document
        for word in path:
            held = held.get(word) if isinstance(held, dict) else None
        if isinstance(held, dict):
            return sorted(held, key=lambda name: (int(name) if name.isdigit() else 0, name))
        values = held if isinstance(held, list) else [held]
        return [str(value) for value in values if value is not None]

    def defined(self, pid: int, part: str) -> set[str]:
        """List the names in a part of the running configuration or of the candidate."""
        documents = (self._committer.current.document, self.candidate(pid).document)
        return {name for document in documents for name in document.get(part, {})}

    async def edit(self, statements: Sequence[EditStatement], pid: int) -> bool:
        """Apply set and delete statements. Return whether the candidate has changes."""
        return await self._change(lambda candidate: candidate.edit(statements), pid)

    async def load(self, document: Document, pid: int) -> bool:
        """Replace the candidate, but for what is protected."""
        return await self._change(lambda candidate: candidate.load(document), pid)

    async def merge(self, document: Document, pid: int) -> bool:
        """Merge a document into the candidate."""
        return await self._change(lambda candidate: candidate.merge(document), pid)

    async def roll_back(self, number: int | Literal["rescue"], pid: int) -> bool:
        """Replace the candidate with an entry of the history; 0 discards its changes."""
        document = await self._archive.document(number)
        if number == 0:
            return await self._change(Candidate.discard, pid)
        return await self._change(lambda candidate: candidate.replace(document), pid)

    async def update(self, pid: int) -> list[str]:
        """Rebase a private candidate onto the running one. Return its changes that conflict and win."""
        async with self._sessions.editing:
            candidate = self.candidate(pid)
            running = self._committer.current.document
            kept = conflicts(candidate.base, candidate.document, running)
            await asyncio.to_thread(candidate.rebase, running)
        return [str(change) for change in kept]

    async def _change(self, change: Callable[[Candidate], None], pid: int) -> bool:
        async with self._sessions.editing:
            self._sessions.require_free(pid)
            candidate = self.candidate(pid)
            await asyncio.to_thread(change, candidate)
        return candidate.changed
