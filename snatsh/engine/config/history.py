# SPDX-License-Identifier: Apache-2.0
"""The history of commits on disk, newest first; number 0 is the running configuration.

Each entry is one file `history/SERIAL.yaml`: a short header, a line of dashes, then the document in
YAML. A higher serial is newer, so that a commit is published by one rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from snatsh.engine.errors import NoSuchEntry, StoreError
from snatsh.engine.storage import atomic_file
from snatsh.engine.storage.json_record import Json
from snatsh.engine.storage.locks import FolderLock
from snatsh.model.document.document import Document
from snatsh.model.errors import SnatshError
from snatsh.model.forms import yaml_form
from snatsh.model.limits import load_json

KEPT = 50
"""Entries of history, the running one included."""

ENTRY_LIMIT = (16 << 20) + 4096
"""Bytes of an entry's file."""

_RULER = b"---\n"
_PENDING = ".pending"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who committed, when and how. method: cli, api or profile."""

    time: datetime
    user: str
    method: str
    comment: str | None = None

    @classmethod
    def now(cls, user: str, method: str, comment: str | None = None) -> Metadata:
        return cls(datetime.now(UTC), user, method, comment)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    serial: int
    path: Path
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Damage:
    """An unusable file of the history. It is left in place."""

    path: Path
    reason: str

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
        try:
            self._made = _make_folder(folder)
            self._lock = FolderLock(folder, "state folder")
            _make_folder(self._history)
            self._pending = self._history / _PENDING
            self._pending.unlink(missing_ok=True)
            _probe_writable(self._history)
            self._read()
        except OSError as error:
            raise _unusable(folder, error) from None

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

    def entry(self, number: int) -> StoredEntry:
        if not 0 <= number < len(self._entries):
            raise NoSuchEntry(number, len(self._entries))
        return self._entries[number]

    def document(self, number: int) -> Document:
        """Read the document of an entry. StoreError if its file was damaged meanwhile."""
        entry = self.entry(number)
        try:
            _, body = _read_entry(entry.path)
            return _parse_body(body)
        except (OSError, ValueError, SnatshError) as error:
            raise StoreError(f"history {number} ({entry.path}): {error}") from None

    def skip(self, entry: StoredEntry, reason: str) -> None:
        """Mark an entry as damaged, which removes it from the numbering."""
        self._entries.remove(entry)
        self.damaged = (*self.damaged, Damage(entry.path, reason))

    def prepare(self, document: Document, metadata: Metadata) -> None:
        """Write a new entry to disk, so that publishing it needs no more space."""
        content = _compose(document, metadata)
        if len(content) > ENTRY_LIMIT:
            raise StoreError(f"the configuration takes {len(content)} bytes; expected {ENTRY_LIMIT} at most")
        try:
            atomic_file.write(self._pending, content)
        except OSError as error:
            self.discard()
            raise _unusable(self.folder, error) from None
        self._prepared = metadata

    def discard(self) -> None:
        """Remove what was prepared."""
        with contextlib.suppress(OSError):
            self._pending.unlink(missing_ok=True)

    def publish(self) -> StoredEntry:
        """Make the prepared entry number 0."""
        serial = self._last_serial + 1
        path = self._history / f"{serial:010}.yaml"
        try:
            self._pending.rename(path)
        except OSError as error:
            raise _unusable(self.folder, error) from None
        entry = StoredEntry(serial, path, self._prepared)
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
            lost = [damage for damage in self.damaged if _serial(damage.path) < oldest]
            self.damaged = tuple(damage for damage in self.damaged if damage not in lost)
            paths += [damage.path for damage in lost]
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _read(self) -> None:
        damaged = []
        paths = sorted((path for path in self._history.glob("*.yaml") if _serial(path) >= 0), key=_serial)
        for path in reversed(paths):
            try:
                metadata, _ = _read_entry(path)
                self._entries.append(StoredEntry(_serial(path), path, metadata))
            except (OSError, ValueError) as error:
                damaged.append(Damage(path, str(error)))
        self.damaged = tuple(damaged)
        self._last_serial = _serial(paths[-1]) if paths else 0


def _compose(document: Document, metadata: Metadata) -> bytes:
    body = yaml_form.render(document).encode() if document else b""
    header = {
        "time": metadata.time.isoformat(),
        "user": metadata.user,
        "method": metadata.method,
        "comment": metadata.comment,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    lines = (f"{key}: {json.dumps(value)}\n".encode() for key, value in header.items())
    return b"# A committed configuration, written by snatd.\n" + b"".join(lines) + _RULER + body


def _read_entry(path: Path) -> tuple[Metadata, bytes]:
    """Read metadata and document text. ValueError says what is wrong with the file."""
    with path.open("rb") as file:
        content = file.read(ENTRY_LIMIT + 1)
    if len(content) > ENTRY_LIMIT:
        raise ValueError(f"is longer than {ENTRY_LIMIT} bytes")
    head, ruler, body = content.partition(b"\n" + _RULER)
    if not ruler:
        raise ValueError("has no header; it is truncated or was not written by snatd")
    header = _parse_header(head)
    if hashlib.sha256(body).hexdigest() != header.get("sha256"):
        raise ValueError("its document does not match its checksum")
    return _metadata(header), body


def _parse_header(head: bytes) -> Json:
    header = {}
    for line in head.decode(errors="replace").splitlines():
        if not line.startswith("#"):
            key, _, value = line.partition(": ")
            header[key] = load_json(value)
    return header


def _metadata(header: Json) -> Metadata:
    comment = header.get("comment")
    try:
        time = datetime.fromisoformat(header["time"]).astimezone(UTC)
        return Metadata(time, str(header["user"]), str(header["method"]), comment and str(comment))
    except (KeyError, TypeError) as error:
        raise ValueError(f"its header is incomplete: {error}") from None


def _parse_body(body: bytes) -> Document:
    return yaml_form.parse(body.decode()) if body.strip() else {}


def _serial(path: Path) -> int:
    return int(path.stem) if path.stem.isascii() and path.stem.isdigit() else -1


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
