# SPDX-License-Identifier: Apache-2.0
"""The audit log: who changed or tried to change what, a JSON object per line, shared fairly by the users."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snatsh.api.codec import encode
from snatsh.api.system import AuditEntry
from snatsh.daemon.access.shares import is_unlimited
from snatsh.daemon.audit_shares import kept, parsed
from snatsh.daemon.journal import Journal
from snatsh.daemon.roles import Peer, Role
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.storage import atomic_file, trusted_file

log = logging.getLogger(__name__)

FILE_LIMIT = 8 << 20
KEPT = 4
KEPT_DAYS = 90
"""Older entries are removed first. Younger ones only beyond the bound, each user's beyond an equal share."""

_SHOWN = 1000
_CONSIDERED = 20_000
_DETAIL_LIMIT = 4096
_COMMAND_LIMIT = 1024
_PATH_LIMIT = 200
_USE = 7 / 8
"""Share of the older files that is used after entries were removed."""

_RATES = {Role.VIEW: (100, 10.0), Role.OPERATOR: (1000, 100.0), Role.ADMIN: (1000, 100.0)}
"""Entries that a user may cause in a row, and in a second from then on."""

_SLACK = 1 << 20
"""Bytes by which a file may exceed its limit."""


class Audit:
    """Appends to `path`. A failure to write is logged and blocks nothing.

    in_background: runs what takes a while, such as choosing the entries that are kept.
    """

    def __init__(
        self,
        path: Path,
        limit: int = FILE_LIMIT,
        in_background: Callable[[Callable[[], None]], object] = lambda work: work(),
        journal: Journal | None = None,
    ) -> None:
        self.path = path
        self._limit = limit
        self._in_background = in_background
        self._journal = journal
        self._failures = FailureLog(log)
        self._paces: dict[int, tuple[float, float]] = {}
        self._removing = False

    async def pace(self, peer: Peer) -> None:
        """Wait until the user may cause the next entry, so that nobody fills the log at once."""
        if is_unlimited(peer.uid):
            return
        burst, rate = _RATES[peer.role]
        now = time.monotonic()
        left, at = self._paces.get(peer.uid, (float(burst), now))
        left = min(burst, left + (now - at) * rate) - 1
        self._paces[peer.uid] = left, now
        if left < 0:
            await asyncio.sleep(-left / rate)

    def record(self, peer: Peer, method: str, path: str, status: int, detail: str = "") -> None:
        """Record a request."""
        self._append(
            AuditEntry(
                time=_now(),
                user=peer.user,
                uid=peer.uid,
                pid=peer.pid,
                method=method,
                path=_shortened(path, _PATH_LIMIT),
                result=status,
                detail=_shortened(detail, _DETAIL_LIMIT),
            )
        )

    def command(self, peer: Peer, command: str, failed: bool, origin: str, terminal: str) -> None:
        """Record a command that an operator ran at a console."""
        self._append(
            AuditEntry(
                time=_now(),
                user=peer.user,
                uid=peer.uid,
                pid=peer.pid,
                origin=origin,
                terminal=terminal,
                command=_shortened(command, _COMMAND_LIMIT),
                result="failed" if failed else "ok",
            )
        )

    def last(self) -> list[AuditEntry]:
        """Return the newest entries, oldest first; of a user who has many, the newest of an equal share."""
        try:
            lines = self._lines(self.path)
            if len(lines) < _CONSIDERED:
                lines = self._lines(self._numbered(1)) + lines
        except (OSError, ValueError) as error:
            self._failures.failed(f"cannot read the audit log {self.path}: {error}")
            return []
        entries = parsed(lines[-_CONSIDERED:])
        return [entry for entry, _ in kept(entries, _SHOWN, lambda line: 1, "")]

    def _lines(self, path: Path) -> list[bytes]:
        try:
            return trusted_file.read(path, 2 * self._limit + _SLACK).splitlines()
        except FileNotFoundError:
            return []

    def _append(self, entry: AuditEntry) -> None:
        line = encode(entry) + b"\n"
        if self._journal is not None:
            self._journal.send(line[:-1].decode("utf-8", "replace"))
        try:
            self._rotate(len(line))
            atomic_file.append(self.path, line)
            self._failures.succeeded()
        except OSError as error:
            self._failures.failed(f"cannot write the audit log {self.path}: {error.strerror}")

    def _rotate(self, more: int) -> None:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size + more <= self._limit:
            return
        if self._removing:
            return
        if self._numbered(0).exists() or self._numbered(KEPT).exists():
            self._removing = True
            if not self._numbered(0).exists():  # of a snatd that ended meanwhile
                self.path.rename(self._numbered(0))
            self._in_background(self._remove)
            return
        for number in range(KEPT - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.rename(self._numbered(number + 1))
        self.path.rename(self._numbered(1))

    def _remove(self) -> None:
        """Keep of the older files, which are full, what there is room for."""
        try:
            lines = [line for number in range(KEPT, -1, -1) for line in self._lines(self._numbered(number))]
            since = (datetime.now(UTC) - timedelta(days=KEPT_DAYS)).isoformat()
            chosen = kept(parsed(lines), int(KEPT * self._limit * _USE), lambda line: len(line) + 1, since)
            # From the oldest file on: an entry moves to an older file before the one it was in is replaced.
            for number, content in zip(range(KEPT, 0, -1), _chunks(chosen, self._limit), strict=True):
                atomic_file.replace(self._numbered(number), content, sync=False)
            self._numbered(0).unlink()
        except (OSError, ValueError) as error:
            self._failures.failed(f"cannot rotate the audit log {self.path}: {error}")
        finally:
            self._removing = False

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _chunks(entries: list[tuple[AuditEntry, bytes]], limit: int) -> list[bytes]:
    """The contents of the older files, the oldest first."""
    chunks = [bytearray()]
    for _, line in entries:
        if len(chunks[-1]) + len(line) + 1 > limit:
            chunks.append(bytearray())
        chunks[-1] += line + b"\n"
    chunks += [bytearray() for _ in range(KEPT - len(chunks))]
    return [bytes(chunk) for chunk in chunks[-KEPT:]]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
