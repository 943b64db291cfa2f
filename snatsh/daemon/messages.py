# SPDX-License-Identifier: Apache-2.0
"""The last of what snatd logged, for `show log`: the box's own log may be out of an operator's reach."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

_KEPT = 1000


class Messages(logging.Handler):
    """Keeps lines in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        at = datetime.fromtimestamp(record.created, UTC)
        self._kept.append(f"{at:%Y-%m-%d %H:%M:%S} {record.levelname.lower()}: {record.getMessage()}")

    def lines(self) -> list[str]:
        return list(self._kept)


MESSAGES = Messages()
