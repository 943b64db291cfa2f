# SPDX-License-Identifier: Apache-2.0
"""The newest log messages of snatd, for `show log`: operators may have no access to the system log."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

_KEPT = 1000


class MessageBuffer(logging.Handler):
    """Keeps formatted messages in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        at = datetime.fromtimestamp(record.created, UTC)
        self._kept.append(f"{at:%Y-%m-%d %H:%M:%S} {record.levelname.lower()}: {record.getMessage()}")

    def lines(self) -> list[str]:
        return list(self._kept)


MESSAGES = MessageBuffer()
