# SPDX-License-Identifier: Apache-2.0
"""Configurations to return to: the entries of the history and the rescue configuration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from snatsh.api.commits import CommittedEntry, HistoryEntry
from snatsh.engine.config.commit import Committer
from snatsh.engine.config.history import Store, StoredEntry
from snatsh.engine.errors import NoRescue
from snatsh.engine.storage.json_record import Record
from snatsh.engine.worker import ChangeWorker
from snatsh.model.document.document import Document, validate_shape


class RescueRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: str
    time: datetime
    document: Document


class Archive:
    """Reads and writes in the thread of changes, in turn with commits."""

    def __init__(self, store: Store, committer: Committer, worker: ChangeWorker) -> None:
        self._store = store
        self._committer = committer
        self._worker = worker
        self.record = Record(store.folder / "rescue.json", RescueRecord, "the rescue configuration")

    def entries(self) -> list[HistoryEntry]:
        """List the history, newest first."""
        return [_entry_row(number, entry) for number, entry in enumerate(self._store.entries())]

    async def entry(self, number: int) -> CommittedEntry:
        """Return an entry of the history with its document."""
        document = await self.document(number)
        row = _entry_row(number, self._store.entry(number))
        return CommittedEntry(row.number, row.time, row.user, row.method, row.comment, document)

    async def document(self, number: int | Literal["rescue"]) -> Document:
        """Return a document to roll back to; 0 is the running configuration."""
        if number == "rescue":
            return await self.rescue()
        if number == 0:
            return self._committer.current.document
        return await self._worker.run(lambda: self._store.document(number))

    async def rescue(self) -> Document:
        """Return the rescue configuration. NoRescue if none was saved."""
        found = await self._worker.run(self._read_rescue)
        if found is None:
            raise NoRescue
        return found

    async def check(self) -> None:
        """Find a damaged rescue configuration at the start, not when it is needed."""
        await self._worker.run(self._read_rescue)

    async def save_rescue(self, user: str) -> None:
        """Save the running configuration as the rescue configuration."""
        document = self._committer.current.document
        content = RescueRecord(user, datetime.now(UTC), document)
        await self._worker.run(lambda: self.record.write(content))

    async def delete_rescue(self) -> None:
        await self._worker.run(lambda: self.record.write(None))

    def _read_rescue(self) -> Document | None:
        return self.record.read(lambda found: validate_shape(found.document))


def _entry_row(number: int, entry: StoredEntry) -> HistoryEntry:
    metadata = entry.metadata
    time = metadata.time.isoformat(timespec="milliseconds")
    return HistoryEntry(number, time, metadata.user, metadata.method, metadata.comment)
