# SPDX-License-Identifier: Apache-2.0
"""Log a failure that repeats once, until it changes or goes away."""

from __future__ import annotations

import logging


class FailureLog:
    """Report every failure to `failed` and every success to `succeeded`."""

    def __init__(self, log: logging.Logger, level: int = logging.ERROR) -> None:
        self._log = log
        self._level = level
        self._last = ""

    def failed(self, message: str) -> None:
        """Log the message unless it was the last one logged."""
        if message != self._last:
            self._log.log(self._level, "%s", message)
        self._last = message

    def succeeded(self) -> None:
        """Log the next failure even if it reads like the last one."""
        self._last = ""
