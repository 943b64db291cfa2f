# SPDX-License-Identifier: Apache-2.0
"""The history of commits on disk, newest first; number 0 is the running configuration.

Each entry is one file `history/SERIAL.yaml`. A higher serial is newer, so that a commit is published by one
rename.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snatsh.engine.config import history_entry
from snatsh.engine.config.history_entry import ENTRY_LIMIT, Metadata
from snatsh.engine.errors import NoSuchEntry, StoreError
from snatsh.engine.storage import atomic_file, trusted_file
from snatsh.engine.storage.locks import FolderLock
from snatsh.model.document.document import Document
from snatsh.model.errors import SnatshError

__all__ = ["KEPT", "Damage", "Metadata", "Store", "StoredEntry"]

KEPT = 50
"""Entries of history, the running one included."""

_PENDING = ".pending"
_RECORDS = ("*.json", "*.log", "*.log.*")
"""What snatd keeps in the state folder besides the history."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """digest: names the content of its file."""

    serial: int
    path: Path
    metadata: Metadata
    digest: str

    def __str__(self) -> str:
        return f"{self.serial} of {self.metadata.time:%Y-%m-%d %H:%M:%S} UTC by {self.metadata.user}"


@dataclass(frozen=True, slots=True)
class Damage:
    """An unusable file of the history. It is left in place."""

    path: Path
    reason: str

    @property
    def serial(self) -> int:
        return _serial(self.path)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Store:
    """The state folder, locked while open. damaged: entries that were skipped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: tuple[Damage, ...] = ()
        self._history = folder / "history"
        self._entries: list[StoredEntry] = []
        self._last_serial = 0
        self._pending = self._history / _PENDING
        try:
            self._made = _make_folder(folder)
            self._lock = FolderLock(folder, "state folder")
        except OSError as error:
            raise _unusable(folder, error) from None
        try:
            self._open()
        except StoreError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise _unusable(folder, error) from None

    def _open(self) -> None:
        trusted_file.require_own(self._files())
        _make_folder(self._history)
        self._pending.unlink(missing_ok=True)
        _probe_writable(self._history)
        self._read()

    def close(self) -> None:
        """Unlock the folder. Remove it if it was created in vain."""
        if self._made and not self._entries:
            with contextlib.suppress(OSError):
                self._history.rmdir()
                self.folder.rmdir()
        self._lock.release()

    def entries(self) -> tuple[StoredEntry, ...]:
        """List the entries, newest first; the position is the number."""
        return tuple(self._entries)

    @property
    def last_serial(self) -> int:
        """Serial of the newest commit, usable or not; 0 before the first."""
        return self._last_serial

    @property
    def fallback(self) -> str:
        """Say which commit serves in place of newer ones that cannot be used; empty if there are none."""
        entries, damaged = self._entries, self.damaged
        lost = [damage for damage in damaged if entries and damage.serial > entries[0].serial]
        if not lost:
            return ""
        newest = max(lost, key=lambda damage: damage.serial)
        return f"commit {newest.serial} cannot be used ({newest}); commit {entries[0]} runs instead"

    def left_over(self) -> str:
        """Name a file that snatd wrote besides the history, empty if there is none."""
        return next(
            (path.name for path in self._files() if path.parent == self.folder and path.is_file()), ""
        )

    def entry(self, number: int) -> StoredEntry:
        if not 0 <= number < len(self._entries):
            raise NoSuchEntry(number, len(self._entries))
        return self._entries[number]

    def document(self, number: int) -> Document:
        """Read the document of an entry. StoreError if its file was damaged meanwhile."""
        entry = self.entry(number)
        try:
            return history_entry.read(entry.path).document()
        except (OSError, ValueError, SnatshError) as error:
            raise StoreError(f"history {number} ({entry.path}): {error}") from None

    def skip(self, entry: StoredEntry, reason: str) -> None:
        """Mark an entry as damaged, which removes it from the numbering."""
        self._entries.remove(entry)
        self.damaged = (*self.damaged, Damage(entry.path, reason))

    def prepare(self, document: Document, metadata: Metadata) -> None:
        """Write a new entry to disk, so that publishing it needs no more space."""
        content = history_entry.compose(document, metadata)
        if len(content) > ENTRY_LIMIT:
            raise StoreError(f"the configuration takes {len(content)} bytes; expected {ENTRY_LIMIT} at most")
        try:
            atomic_file.write(self._pending, content)
        except OSError as error:
            self.discard()
            raise _unusable(self.folder, error) from None
        self._prepared = metadata, history_entry.digest(content)

    def discard(self) -> None:
        """Remove what was prepared."""
        with contextlib.suppress(OSError):
            self._pending.unlink(missing_ok=True)

    def publish(self) -> StoredEntry:
        """Make the prepared entry number 0."""
        serial = self._last_serial + 1
        path = self._history / history_entry.file_name(serial)
        try:
            self._pending.rename(path)
        except OSError as error:
            raise _unusable(self.folder, error) from None
        entry = StoredEntry(serial, path, *self._prepared)
        self._last_serial = serial
        self._entries.insert(0, entry)
        try:
            atomic_file.sync_folder(self._history)
        except OSError as error:
            self.withdraw(entry)
            raise _unusable(self.folder, error) from None
        return entry

    def withdraw(self, entry: StoredEntry) -> None:
        """Undo publish."""
        self._entries.remove(entry)
        try:
            atomic_file.remove(entry.path)
        except OSError as error:
            raise _unusable(self.folder, error) from None

    def trim(self) -> None:
        """Remove old entries, and damaged files older than all entries that are kept."""
        old, self._entries = self._entries[KEPT:], self._entries[:KEPT]
        paths = [entry.path for entry in old]
        if len(self._entries) == KEPT:
            oldest = self._entries[-1].serial
            lost = [damage for damage in self.damaged if damage.serial < oldest]
            self.damaged = tuple(damage for damage in self.damaged if damage not in lost)
            paths += [damage.path for damage in lost]
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        yield from (self.folder, self._history, *self._history.glob("*.yaml"))
        for pattern in _RECORDS:
            yield from self.folder.glob(pattern)

    def _read(self) -> None:
        damaged = []
        paths = sorted((path for path in self._history.glob("*.yaml") if _serial(path) >= 0), key=_serial)
        for path in reversed(paths):
            try:
                file = history_entry.read(path)
                self._entries.append(StoredEntry(_serial(path), path, file.metadata, file.digest))
            except (OSError, ValueError) as error:
                damaged.append(Damage(path, str(error)))
        self.damaged = tuple(damaged)
        self._last_serial = _serial(paths[-1]) if paths else 0


def _serial(path: Path) -> int:
    """Return the serial that a file is named by, -1 if snatd would not name it so."""
    serial = int(path.stem) if path.stem.isascii() and path.stem.isdigit() else -1
    return serial if path.name == history_entry.file_name(serial) else -1


def _make_folder(folder: Path) -> bool:
    """Create a folder. Return whether it did not exist."""
    made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made


def _probe_writable(folder: Path) -> None:
    """Detect a read-only disk or wrong owner at start, not at the first commit."""
    probe = folder / ".probe"
    atomic_file.write(probe, b"")
    probe.unlink()


def _unusable(folder: Path, error: OSError) -> StoreError:
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(folder) else ""
    return StoreError(
        f"state folder {folder}{where}: {error.strerror or error}; expected a folder snatd can write"
    )
