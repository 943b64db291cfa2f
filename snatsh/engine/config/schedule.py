# SPDX-License-Identifier: Apache-2.0
"""Scheduled commits: `commit at`. One at a time, kept on disk."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from snatsh.engine.errors import EngineError
from snatsh.engine.storage.json_record import Record
from snatsh.model.document.document import Document, validate_shape

AT_REBOOT = "reboot"

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME = re.compile(r"(?:(\d{4})-(\d\d?)-(\d\d?) )?(\d\d?):(\d\d)(?::(\d\d))?")


class BadTime(EngineError):
    """The time of a scheduled commit is invalid."""


class AlreadyScheduled(EngineError):
    """A commit is scheduled already."""

    def __init__(self, scheduled: DeferredCommit) -> None:
        super().__init__(
            f"a commit by {scheduled.user} is scheduled for {scheduled.when}; "
            "remove it with `clear system commit`"
        )


class DeferredCommit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, too. at: None for the next boot. boot: id of the boot during which it was scheduled."""

    user: str
    method: str
    comment: str | None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None
    boot: str
    document: Document

    @property
    def when(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S %Z}" if self.at else "the next reboot"

    @property
    def is_due(self) -> bool:
        return self.boot != boot_id() if self.at is None else datetime.now(UTC) >= self.at


class Schedule:
    """The scheduled commit, on disk and in memory."""

    def __init__(self, folder: Path) -> None:
        self.record = Record(folder / "scheduled.json", DeferredCommit, "a scheduled commit")
        self.waiting: DeferredCommit | None = None

    def load(self) -> None:
        self.waiting = self.record.read(_validated)

    def put(self, scheduled: DeferredCommit) -> None:
        self.require_free()
        self.record.write(scheduled)
        self.waiting = scheduled

    def take(self) -> DeferredCommit | None:
        """Remove and return the scheduled commit."""
        taken, self.waiting = self.waiting, None
        self.record.write(None)
        return taken

    def require_free(self) -> None:
        if self.waiting is not None:
            raise AlreadyScheduled(self.waiting)


def parse_time(text: str) -> datetime | None:
    """Parse `hh:mm[:ss]`, `yyyy-mm-dd hh:mm[:ss]`, both local time, or `reboot`, which is None."""
    if text == AT_REBOOT:
        return None
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise BadTime(f'at {text}: expected hh:mm[:ss], "yyyy-mm-dd hh:mm[:ss]" or {AT_REBOOT}')
    year, month, day, hour, minute, second = (int(part) if part else 0 for part in match.groups())
    now = datetime.now().astimezone()
    try:
        at = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        if year:
            at = datetime(year, month, day, hour, minute, second).astimezone()
        elif at <= now:
            at = (at.replace(tzinfo=None) + timedelta(days=1)).astimezone()
    except ValueError as error:
        raise BadTime(f"at {text}: {error}") from None
    if at <= now:
        raise BadTime(f"at {text}: time is in the past; the gateway's time is {now:%Y-%m-%d %H:%M:%S}")
    return at.astimezone(UTC)


def boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _validated(found: DeferredCommit) -> DeferredCommit:
    return replace(found, document=validate_shape(found.document))
