# SPDX-License-Identifier: Apache-2.0
"""Commit confirmed: roll back unless confirmed in time. Deadline and document are on disk before the commit.

The file names the commits it covers by serial number: after a crash between writing it and publishing
a commit, or between publishing the confirming commit and removing it, the file is void.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec.structs import replace

from snatsh.engine.config.history import Metadata, Store
from snatsh.engine.errors import EngineError, StoreError
from snatsh.engine.storage.json_record import Record
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import SnatshError

WARNINGS = (300, 60)
"""Seconds before the rollback at which a notice is posted."""

_METHOD = re.compile(r" commit confirmed, rollback in (\d{1,5})mins$")

Minutes = Annotated[int, msgspec.Meta(ge=1, le=99_999)]
Serial = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999)]

log = logging.getLogger(__name__)

T = TypeVar("T")


class NothingPending(EngineError):
    """No commit is waiting."""

    def __init__(self) -> None:
        super().__init__("no commit is pending")


class WouldConfirmOthers(EngineError):
    """A commit would confirm that of another user, and does not say that it may."""

    def __init__(self, pending: UnconfirmedCommit) -> None:
        why = f" ({pending.commit.comment})" if pending.commit.comment else ""
        left = max(1, round(pending.seconds / 60))
        super().__init__(
            f"this commit would confirm the one by {pending.by}{why}, which is rolled back in about "
            f"{left} min unless confirmed; `commit and-confirm` confirms it, "
            "`request system commit abort` rolls it back"
        )


class Unconfirmed(EngineError):
    """A commit cannot be scheduled while another has to be confirmed: it would confirm it unseen."""

    def __init__(self, pending: UnconfirmedCommit) -> None:
        super().__init__(
            f"at: the commit by {pending.by} is pending; confirm it with `commit`, or roll it back with "
            "`request system commit abort`, before you schedule another"
        )


class ConfirmRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file.

    user: of the newest commit that it covers. others: the other users of commits that it covers.
    first, last: serials of the commits it covers. document: what to roll back to.
    """

    user: str
    minutes: Minutes
    deadline: Annotated[datetime, msgspec.Meta(tz=True)]
    first: Serial
    last: Serial
    document: Document
    comment: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnconfirmedCommit:
    """A commit that is pending: rolled back unless confirmed.

    due: the deadline on the monotonic clock, which does not follow changes of the system time.
    """

    commit: ConfirmRecord
    due: float

    @property
    def by(self) -> str:
        """The users, in words."""
        return " and ".join((*self.commit.others, self.commit.user))

    def is_of(self, user: str) -> bool:
        """Whether the user made all commits that it covers."""
        return self.commit.user == user and not self.commit.others

    @property
    def seconds(self) -> float:
        """Seconds left."""
        return max(0.0, self.due - time.monotonic())


class Confirmation:
    """The pending commit, on disk and in memory. Changes belong to the thread that commits."""

    def __init__(self, folder: Path) -> None:
        lost = "the deadline of a commit confirmed, unless the history has it"
        self.record = Record(folder / "confirm.json", ConfirmRecord, lost)
        self.pending: UnconfirmedCommit | None = None

    def load(self, store: Store) -> None:
        """Take over the record of an earlier snatd. If it is lost, the history has what it takes."""
        pending = self.record.read(_pending_of)
        if pending is not None and pending.commit.first <= store.last_serial <= pending.commit.last:
            self.pending = pending
            return
        try:
            self._recover(store, stale=pending is not None)
        except (SnatshError, OverflowError) as error:
            log.error("deadlines of commits that have to be confirmed: %s", error)

    def _recover(self, store: Store, *, stale: bool) -> None:
        """Write the record again from the history, or remove a stale one."""
        recovered = _from_history(store)
        if recovered is not None:
            log.error("%s is lost; deadline and rollback are taken from the history", self.record.path)
            self.pending = _pending_of(recovered)
        if recovered is not None or stale:
            self.record.write(recovered)

    def guard(
        self, minutes: int, metadata: Metadata, serial: int, running: Document, commit: Callable[[], T]
    ) -> T:
        """Run a commit, which gets `serial`, that has to be confirmed. A second one moves the deadline."""
        before = self.pending
        now = datetime.now(UTC)
        record = ConfirmRecord(
            user=metadata.user,
            comment=metadata.comment or "",
            minutes=minutes,
            deadline=now + timedelta(minutes=minutes),
            first=before.commit.first if before else serial,
            last=serial,
            document=before.commit.document if before else running,
            others=_others([*before.commit.others, before.commit.user] if before else [], metadata.user),
        )
        pending = UnconfirmedCommit(record, due=time.monotonic() + 60 * minutes)
        self.record.write(record)
        try:
            done = commit()
        except BaseException:
            self.record.write(before.commit if before else None)
            raise
        self.pending = pending
        return done

    def settle(self) -> None:
        """Forget the pending commit: a later one confirmed it or rolled it back."""
        if self.pending is None:
            return
        self.pending = None
        try:
            self.record.write(None)
        except StoreError as error:
            log.error("%s; the pending rollback is cancelled nevertheless", error)


def _others(users: Iterable[str], user: str) -> tuple[str, ...]:
    return tuple(other for other in dict.fromkeys(users) if other != user)


def confirmed_method(method: str, minutes: int) -> str:
    """Word the method of a commit that has to be confirmed, as the history keeps it."""
    return f"{method} commit confirmed, rollback in {minutes}mins"


def _from_history(store: Store) -> ConfirmRecord | None:
    """Rebuild the record of the newest commits, if they have to be confirmed: any other commit confirms."""
    entries = store.entries()
    waiting = list(takewhile(lambda entry: _METHOD.search(entry.metadata.method), entries))
    if not waiting or waiting[0].serial != store.last_serial:
        return None
    newest, minutes = waiting[0].metadata, _METHOD.search(waiting[0].metadata.method)
    if minutes is None or len(waiting) == len(entries):
        log.error("the history has nothing to roll back the unconfirmed commit %s to", waiting[0])
        return None
    return ConfirmRecord(
        user=newest.user,
        comment=newest.comment or "",
        minutes=int(minutes[1]),
        deadline=newest.time + timedelta(minutes=int(minutes[1])),
        first=waiting[-1].serial,
        last=waiting[0].serial,
        document=store.document(len(waiting)),
        others=_others((entry.metadata.user for entry in reversed(waiting)), newest.user),
    )


def rollback_notice(by: str, minutes: int) -> str:
    """Word the notice of a commit that is waiting to be confirmed. by: its users, in words."""
    plural = "" if minutes == 1 else "s"
    return f"commit by {by} will be rolled back in {minutes} minute{plural} unless confirmed"


def _pending_of(found: ConfirmRecord) -> UnconfirmedCommit:
    # A host without a battery-backed clock may boot in the past; wait no longer than requested.
    left = min((found.deadline - datetime.now(UTC)).total_seconds(), 60 * found.minutes)
    validated = replace(found, document=validate_shape(found.document))
    return UnconfirmedCommit(validated, due=time.monotonic() + left)
