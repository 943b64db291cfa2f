# SPDX-License-Identifier: Apache-2.0
"""The audit log: who changed or tried to change what, a JSON object per line, rotated by size."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from snatsh.api.codec import Malformed, decode, encode
from snatsh.api.system import AuditEntry
from snatsh.daemon.roles import Peer
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.storage import atomic_file, trusted_file

log = logging.getLogger(__name__)

FILE_LIMIT = 8 << 20
KEPT = 4
_SHOWN = 1000
_DETAIL_LIMIT = 4096
_SLACK = 1 << 20
"""Bytes by which a file may exceed its limit."""


class Audit:
    """Appends to `path`. A failure to write is logged and blocks nothing."""

    def __init__(self, path: Path, limit: int = FILE_LIMIT) -> None:
        self.path = path
        self._limit = limit
        self._failures = FailureLog(log)

    def record(self, peer: Peer, method: str, path: str, status: int, detail: str = "") -> None:
        """Record a request."""
        self._append(
            AuditEntry(
                time=_now(),
                user=peer.user,
                uid=peer.uid,
                pid=peer.pid,
                method=method,
                path=path,
                result=status,
                detail=_shortened(detail),
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
                command=_shortened(command),
                result="failed" if failed else "ok",
            )
        )

    def last(self) -> list[AuditEntry]:
        """Return the newest entries, oldest first."""
        try:
            lines = trusted_file.read(self.path, self._limit + _SLACK).splitlines()
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            self._failures.failed(f"cannot read the audit log {self.path}: {error}")
            return []
        return list(_entries(lines[-_SHOWN:]))

    def _append(self, entry: AuditEntry) -> None:
        line = encode(entry) + b"\n"
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
        for number in range(KEPT - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.rename(self._numbered(number + 1))
        self.path.rename(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _entries(lines: Iterable[bytes]) -> Iterator[AuditEntry]:
    """Entries that can be read: a full disk may leave half a line."""
    for line in lines:
        with contextlib.suppress(Malformed):
            yield decode(line, AuditEntry)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _shortened(text: str) -> str:
    return text if len(text) <= _DETAIL_LIMIT else text[:_DETAIL_LIMIT] + "…"
