# SPDX-License-Identifier: Apache-2.0
"""What links went through, over restarts of snatd: a line per change in a file, the oldest ones left out."""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from snatsh.model.limits import load_json

KEPT = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkChange:
    """time: UTC, ISO 8601. before: its state until then, empty for a link that is new."""

    time: str
    link: str
    state: str
    before: str
    reason: str


class LinkHistory:
    """The newest changes are in memory, too. A file that can't be written costs them only at a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: deque[LinkChange] = deque(_read(path), maxlen=KEPT)
        self._lines = 2 * KEPT  # so that the first change puts the file in order
        self._told = False

    def add(self, change: LinkChange) -> None:
        self._kept.append(change)
        try:
            self._write(change)
            self._told = False
        except OSError as error:
            if not self._told:
                log.error("%s: %s; links' history is lost at the next restart", self._path, error.strerror)
            self._told = True

    def newest(self, link: str = "", limit: int = KEPT) -> list[LinkChange]:
        """The newest first; of one link, or of all."""
        wanted = (one for one in reversed(self._kept) if link in ("", one.link))
        return list(islice(wanted, limit))

    def _write(self, change: LinkChange) -> None:
        if self._lines >= 2 * KEPT:
            beside = self._path.with_name(f".{self._path.name}.new")
            _append(beside, self._kept, os.O_TRUNC)
            beside.rename(self._path)
            self._lines = len(self._kept)
        else:
            _append(self._path, [change], os.O_APPEND)
            self._lines += 1


def _append(path: Path, changes: Iterable[LinkChange], flag: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(change)) + "\n" for change in changes)


def _read(path: Path) -> list[LinkChange]:
    """What can be read of it: the last line may be half written."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        log.error("%s: %s; links' history begins anew", path, error.strerror)
        return []
    found = []
    for line in lines:
        try:
            values = load_json(line)
            found.append(LinkChange(**{name: str(value) for name, value in values.items()}))
        except (ValueError, TypeError, AttributeError):
            continue
    return found
