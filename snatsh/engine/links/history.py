# SPDX-License-Identifier: Apache-2.0
"""The history of link states across restarts: a line per change in a file, without the oldest ones."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from snatsh.api.codec import Malformed, decode, encode
from snatsh.api.links import LinkChange
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.storage import atomic_file, trusted_file

KEPT = 1000
_LIMIT = 16 << 20

log = logging.getLogger(__name__)


class LinkHistory:
    """The newest changes, in a file and in memory, which serves if the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: deque[LinkChange] = deque(_read(path), maxlen=KEPT)
        self._lines = 2 * KEPT  # so that the first change rewrites the file
        self._failures = FailureLog(log)

    def add(self, change: LinkChange) -> None:
        self._kept.append(change)
        try:
            self._write(change)
            self._failures.succeeded()
        except OSError as error:
            self._failures.failed(
                f"{self._path}: {error.strerror}; link history will be lost at the next restart"
            )

    def newest(self, link: str = "", limit: int = KEPT) -> list[LinkChange]:
        """List changes of one link or of all, newest first."""
        wanted = (one for one in reversed(self._kept) if link in ("", one.link))
        return list(islice(wanted, limit))

    def _write(self, change: LinkChange) -> None:
        if self._lines >= 2 * KEPT:
            atomic_file.replace(self._path, _lines(self._kept), sync=False)
            self._lines = len(self._kept)
        else:
            atomic_file.append(self._path, _lines([change]))
            self._lines += 1


def _lines(changes: Iterable[LinkChange]) -> bytes:
    return b"".join(encode(change) + b"\n" for change in changes)


def _read(path: Path) -> list[LinkChange]:
    """Read the valid lines: the last one may be incomplete."""
    try:
        lines = trusted_file.read(path, _LIMIT).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        log.error("%s: %s; starting with an empty link history", path, error)
        return []
    found = []
    for line in lines:
        try:
            found.append(decode(line.encode(), LinkChange))
        except Malformed:
            continue
    return found
