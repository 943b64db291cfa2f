# SPDX-License-Identifier: Apache-2.0
"""Notices: short messages that every console shows before its next prompt."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from snatsh.api.system import NoticeKind

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """number: grows with time, across restarts as well."""

    number: int
    time: datetime
    kind: NoticeKind
    text: str


class Notices:
    """The most recent notices."""

    def __init__(self) -> None:
        self._kept: deque[Notice] = deque(maxlen=_KEPT)

    def post(self, kind: NoticeKind, text: str) -> None:
        number = max(time.time_ns() // 1000, self.last + 1)
        self._kept.append(Notice(number, datetime.now(UTC), kind, text))

    @property
    def last(self) -> int:
        return self._kept[-1].number if self._kept else 0

    def after(self, number: int) -> list[Notice]:
        return [notice for notice in self._kept if notice.number > number]
