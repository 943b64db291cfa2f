# SPDX-License-Identifier: Apache-2.0
"""Bound the log: what a client can cause again and again must not fill a disk."""

from __future__ import annotations

import logging
import time

BURST = 50
"""Lines of one kind in a row."""

PER_SECOND = 0.5
"""Lines of one kind in the long run."""

_KINDS = 500


class LogLimit(logging.Filter):
    """Passes so many records of each kind, a kind being the place in the code that logs."""

    def __init__(self, burst: int = BURST, per_second: float = PER_SECOND) -> None:
        super().__init__()
        self._burst = burst
        self._per_second = per_second
        self._kinds: dict[tuple[str, int, str], tuple[float, float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass a record, or count it as suppressed; the next that passes says how many were.

        Several handlers may share the filter: each record is judged once.
        """
        passes: bool | None = getattr(record, "passes_limit", None)
        if passes is None:
            passes = record.passes_limit = self._judge(record)
        return passes

    def _judge(self, record: logging.LogRecord) -> bool:
        kind = (record.pathname, record.lineno, record.levelname)
        now = time.monotonic()
        left, at, suppressed = self._kinds.get(kind, (float(self._burst), now, 0))
        left = min(self._burst, left + (now - at) * self._per_second)
        if left < 1:
            self._kinds[kind] = left, now, suppressed + 1
            return False
        if suppressed:
            record.msg, record.args = f"{record.getMessage()} ({suppressed} more like this)", ()
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        self._kinds[kind] = left - 1, now, 0
        return True


def limit_log() -> None:
    """Bound what the handlers of the root logger write."""
    limit = LogLimit()
    for handler in logging.getLogger().handlers:
        handler.addFilter(limit)
