# SPDX-License-Identifier: Apache-2.0
"""Commits that end by themselves unless confirmed. The deadline and the way back are on disk first.

The file names the commits it is about by their serial numbers: a crash between writing it and publishing
a commit, or between publishing the commit that confirms and removing it, leaves a file that is void.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from snatsh.engine.config.history import Metadata
from snatsh.engine.errors import EngineError, StoreError
from snatsh.engine.storage.json_record import Record
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import SnatshError

WARNINGS = (300, 60)
"""Seconds before the return at which every console is told."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class NothingPending(EngineError):
    """There is no commit to abort or to confirm."""

    def __init__(self) -> None:
        super().__init__("no commit waits to be confirmed")


@dataclass(frozen=True, slots=True)
class UnconfirmedCommit:
    """A commit that waits to be confirmed.

    comment: why, as its user said. first, last: serials of the commits it is about.
    document: where to return to. due: the deadline on the monotonic clock, which no operator can set.
    """

    user: str
    comment: str
    minutes: int
    deadline: datetime
    due: float
    first: int
    last: int
    document: Document

    @property
    def seconds(self) -> float:
        """How long is left."""
        return max(0.0, self.due - time.monotonic())


class Confirmation:
    """The pending commit, on disk and in memory. Changes belong to the thread that commits."""

    def __init__(self, folder: Path) -> None:
        self._record = Record(folder / "confirm.json")
        self.pending: UnconfirmedCommit | None = None

    def load(self, newest: int) -> None:
        """Take up what an earlier snatd left. newest: serial of the newest commit."""
        found = self._record.read()
        if found is None:
            return
        try:
            pending = _from_json(found)
        except (SnatshError, ValueError, KeyError, TypeError) as error:
            self._record.set_aside(str(error))
            return
        if pending.first <= newest <= pending.last:
            self.pending = pending
        else:
            self._record.write(None)

    def guard(
        self, minutes: int, metadata: Metadata, serial: int, running: Document, commit: Callable[[], T]
    ) -> T:
        """Run a commit that gets `serial` and has to be confirmed. A second one moves the deadline."""
        before = self.pending
        now = datetime.now(UTC)
        pending = UnconfirmedCommit(
            user=metadata.user,
            comment=metadata.comment or "",
            minutes=minutes,
            deadline=now + timedelta(minutes=minutes),
            due=time.monotonic() + 60 * minutes,
            first=before.first if before else serial,
            last=serial,
            document=before.document if before else running,
        )
        self._record.write(_to_json(pending))
        try:
            done = commit()
        except BaseException:
            self._record.write(_to_json(before) if before else None)
            raise
        self.pending = pending
        return done

    def settle(self) -> None:
        """The commit that was published since confirms, or has returned."""
        if self.pending is None:
            return
        self.pending = None
        try:
            self._record.write(None)
        except StoreError as error:
            log.error("%s; it is void all the same", error)


def _to_json(pending: UnconfirmedCommit) -> dict[str, Any]:
    return {
        "user": pending.user,
        "comment": pending.comment,
        "minutes": pending.minutes,
        "deadline": pending.deadline.isoformat(),
        "first": pending.first,
        "last": pending.last,
        "document": pending.document,
    }


def _from_json(found: dict[str, Any]) -> UnconfirmedCommit:
    deadline = datetime.fromisoformat(found["deadline"])
    minutes = int(found["minutes"])
    # A box without a battery clock may come up in the past; it still waits no longer than was asked for.
    left = min((deadline - datetime.now(UTC)).total_seconds(), 60 * minutes)
    return UnconfirmedCommit(
        user=str(found["user"]),
        comment=str(found.get("comment", "")),
        minutes=minutes,
        deadline=deadline,
        due=time.monotonic() + left,
        first=int(found["first"]),
        last=int(found["last"]),
        document=validate_shape(found["document"]),
    )
