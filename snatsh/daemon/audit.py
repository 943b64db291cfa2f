# SPDX-License-Identifier: Apache-2.0
"""Who changed, or tried to change, what: one JSON object per line, rotated by size."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snatsh.daemon.roles import Peer

log = logging.getLogger(__name__)

FILE_LIMIT = 8 << 20
KEPT = 4
_DETAIL_LIMIT = 4096


class Audit:
    """Appends to `path`. A full disk is reported to the log, and stops nothing."""

    def __init__(self, path: Path, limit: int = FILE_LIMIT) -> None:
        self.path = path
        self._limit = limit
        self._failing = False

    def record(self, peer: Peer, method: str, path: str, status: int, detail: str = "") -> None:
        self._append(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "user": peer.user,
                "uid": peer.uid,
                "pid": peer.pid,
                "method": method,
                "path": path,
                "result": status,
                "detail": detail if len(detail) <= _DETAIL_LIMIT else detail[:_DETAIL_LIMIT] + "…",
            }
        )

    def command(self, peer: Peer, command: str, failed: bool, origin: str, terminal: str) -> None:
        """A line that an operator has run at a console."""
        self._append(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "user": peer.user,
                "uid": peer.uid,
                "pid": peer.pid,
                "origin": origin,
                "terminal": terminal,
                "command": command if len(command) <= _DETAIL_LIMIT else command[:_DETAIL_LIMIT] + "…",
                "result": "failed" if failed else "ok",
            }
        )

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        try:
            self._rotate(len(line))
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.error("audit log %s can't be written: %s", self.path, error.strerror)
            self._failing = True

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
