# SPDX-License-Identifier: Apache-2.0
"""One trace at a time: who asked for it, and what it has shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from snatsh.datapath import tracing
from snatsh.datapath.tracing import TraceEvent, TraceFilter
from snatsh.engine.errors import EngineError
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

Row = dict[str, Any]
MOST_SECONDS = 300
_PATIENCE_SECONDS = 3.0
"""Who has not fetched anything for so long traces no more."""

_KINDS = {
    tracing.DROPPED: "dropped",
    tracing.HANDED_UP: "handed up",
    tracing.OPENED: "opened",
    tracing.TRANSLATED: "translated",
}
_PROTOCOLS = {number: name for name, number in PROTOCOL_NUMBERS.items()}


class Tracing(EngineError):
    """Somebody else traces."""

    def __init__(self, user: str, seconds: float) -> None:
        super().__init__(f"{user} is tracing already, for {seconds:.0f} more seconds")


class Tracer:
    """Belongs to the process that asked last; another may ask when that one is done, or looks no more."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._user, self._pid, self._until, self._fetched = "", 0, 0.0, 0.0

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def ask(self, user: str, pid: int, wanted: TraceFilter, seconds: float) -> None:
        attended = time.monotonic() - self._fetched < _PATIENCE_SECONDS
        if self.seconds_left and pid != self._pid and attended:
            raise Tracing(self._user, self.seconds_left)
        self._datapath.trace(wanted, seconds)
        self._fetched = time.monotonic()
        self._user, self._pid, self._until = user, pid, self._fetched + seconds

    def fetch(self, pid: int) -> list[TraceEvent]:
        """What was seen since the last call. Nothing for a process that has not asked."""
        if pid != self._pid:
            return []
        self._fetched = time.monotonic()
        return self._datapath.traced()

    def events(self, pid: int) -> list[Row]:
        """The same, as consoles see it."""
        return [_row(event) for event in self.fetch(pid)]

    def stop(self, pid: int) -> None:
        if pid == self._pid:
            self._datapath.stop_trace()
            self._until = 0.0


def _row(event: TraceEvent) -> Row:
    ago = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - event.nanoseconds) / 1e9
    return {
        "time": time.time() - ago,
        "source": str(event.source),
        "source_port": event.source_port,
        "destination": str(event.destination),
        "destination_port": event.destination_port,
        "protocol": _PROTOCOLS.get(event.protocol, str(event.protocol)),
        "length": event.length,
        "ttl": event.ttl,
        "event": _KINDS[event.kind],
        "reason": event.reason,
        "rule": event.rule or None,
        "address": str(event.address) if event.address else None,
        "port": event.port,
    }
