# SPDX-License-Identifier: Apache-2.0
"""Repeated probes of one target: interval, timeout and results."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from snatsh.engine.links.probes.probe import Probe, Result

Outcome = Callable[[float | None], None]
"""Receives the round-trip time of each probe in seconds, or None if it was lost."""


class ProbeSeries:
    """Sends a probe every `interval` and waits `timeout` for each reply, after `start`."""

    def __init__(
        self, make: Callable[[Result], Probe], interval: float, timeout: float, outcome: Outcome
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._interval = interval
        self._timeout = timeout
        self._outcome = outcome
        self._number = 0
        self._sent: dict[int, float] = {}
        self._limits: dict[int, asyncio.TimerHandle] = {}
        self._probe = make(self._result)
        self._next: asyncio.TimerHandle | None = None

    def start(self, delay: float = 0.0) -> None:
        self._next = self._loop.call_later(delay, self._send)

    def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
        for limit in self._limits.values():
            limit.cancel()
        self._limits.clear()
        self._probe.close()

    def _send(self) -> None:
        now = self._loop.time()
        due = self._next.when() if self._next is not None else now
        # Keep the schedule after a short delay; skip probes missed by a long one.
        self._next = self._loop.call_at(max(due + self._interval, now + self._interval / 2), self._send)
        self._number += 1
        number = self._number
        self._sent[number] = now
        self._limits[number] = self._loop.call_later(self._timeout, self._expire, number)
        try:
            self._probe.send(number)
        except OSError:
            self._result(number, False)

    def _result(self, number: int, replied: bool) -> None:
        limit = self._limits.pop(number, None)
        if limit is None:
            return
        limit.cancel()
        self._outcome(self._loop.time() - self._sent.pop(number) if replied else None)

    def _expire(self, number: int) -> None:
        # After a busy event loop, the reply may already be waiting.
        self._probe.read()
        if self._limits.pop(number, None) is None:
            return
        del self._sent[number]
        with contextlib.suppress(OSError):
            self._probe.forget(number)
        self._outcome(None)
