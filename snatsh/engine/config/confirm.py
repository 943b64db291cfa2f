# SPDX-License-Identifier: Apache-2.0
"""Commit confirmed: roll back unless confirmed in time. Deadline and document are on disk before the commit.

The file names the commits it covers by serial number: after a crash between writing it and publishing
a commit, or between publishing the confirming commit and removing it, the file is void.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from snatsh.engine.config.history import Metadata
from snatsh.engine.errors import EngineError, StoreError
from snatsh.engine.storage.json_record import Json, Record
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import SnatshError

WARNINGS = (300, 60)
"""Seconds before the rollback at which a notice is posted."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class NothingPending(EngineError):
    """No commit is waiting."""

    def __init__(self) -> None:
        super().__init__("no commit is pending")


@dataclass(frozen=True, slots=True)
class UnconfirmedCommit:
    """A commit that is pending: rolled back unless confirmed.

    first, last: serials of the commits it covers. document: what to roll back to.
    due: the deadline on the monotonic clock, which does not follow changes of the system time.
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
        """Seconds left."""
        return max(0.0, self.due - time.monotonic())


class Confirmation:
    """The pending commit, on disk and in memory. Changes belong to the thread that commits."""

    def __init__(self, folder: Path) -> None:
        self._record = Record(folder / "confirm.json")
        self.pending: UnconfirmedCommit | None = None

    def load(self, newest: int) -> None:
        """Take over the record of an earlier snatd. newest: serial of the newest commit."""
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
        """Run a commit, which gets `serial`, that has to be confirmed. A second one moves the deadline."""
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
        """Forget the pending commit: a later one confirmed it or rolled it back."""
        if self.pending is None:
            return
        self.pending = None
        try:
            self._record.write(None)
        except StoreError as error:
            log.error("%s; the pending rollback is cancelled nevertheless", error)


def rollback_notice(user: str, minutes: int) -> str:
    """Word the notice of a commit that is waiting to be confirmed."""
    plural = "" if minutes == 1 else "s"
    return f"commit by {user} will be rolled back in {minutes} minute{plural} unless confirmed"


def _to_json(pending: UnconfirmedCommit) -> Json:
    return {
        "user": pending.user,
        "comment": pending.comment,
        "minutes": pending.minutes,
        "deadline": pending.deadline.isoformat(),
        "first": pending.first,
        "last": pending.last,
        "document": pending.document,
    }


def _from_json(found: Json) -> UnconfirmedCommit:
    deadline = datetime.fromisoformat(found["deadline"])
    minutes = int(found["minutes"])
    # A host without a battery-backed clock may boot in the past; wait no longer than requested.
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
