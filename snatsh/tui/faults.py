# SPDX-License-Identifier: Apache-2.0
"""Unexpected errors of the live view, kept for its log."""

from __future__ import annotations

import time
import traceback
from collections import deque
from dataclasses import dataclass

_KEPT = 100
_SAME_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Fault:
    """time: UTC. trace: the traceback."""

    time: str
    text: str
    trace: str


class Faults:
    """The newest errors. One that recurs at every query is kept once."""

    def __init__(self) -> None:
        self.kept: deque[Fault] = deque(maxlen=_KEPT)
        self._seen: dict[str, float] = {}

    def add(self, doing: str, error: BaseException) -> Fault | None:
        """Keep an error. None when it recurs."""
        moment, text = time.monotonic(), f"{doing}: {type(error).__name__}: {error}"
        self._seen = {one: at for one, at in self._seen.items() if moment - at < _SAME_SECONDS}
        going_on = text in self._seen
        self._seen[text] = moment
        if going_on:
            return None
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        fault = Fault(now, text, "".join(traceback.format_exception(error)))
        self.kept.append(fault)
        return fault
