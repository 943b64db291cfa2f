# SPDX-License-Identifier: Apache-2.0
"""Packet traces: one at a time, for the process that asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from snatsh.api.diagnostics import TraceKind, TraceRow
from snatsh.datapath.constants import TraceEventKind
from snatsh.datapath.tracing import TraceEvent, TraceFilter
from snatsh.engine.errors import EngineError
from snatsh.model.values import Prefix
from snatsh.model.vocabulary import PROTOCOL_NAMES, PROTOCOL_NUMBERS

MOST_SECONDS = 300
_PATIENCE_SECONDS = 3.0
"""A trace that is not fetched for this long may be taken over."""

_KINDS: dict[int, TraceKind] = {
    TraceEventKind.DROPPED: "dropped",
    TraceEventKind.PASSED: "handed up",
    TraceEventKind.OPENED: "opened",
    TraceEventKind.TRANSLATED: "translated",
}


class Tracing(EngineError):
    """Another console is tracing."""

    def __init__(self, user: str, seconds: float) -> None:
        super().__init__(f"{user} is tracing already, for {seconds:.0f} more seconds")


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """Packets to trace; a field that is None, or port 0, matches any. protocol: by name."""

    source: Prefix | None
    destination: Prefix | None
    protocol: str | None
    port: int
    seconds: int

    @property
    def filter(self) -> TraceFilter:
        protocol = PROTOCOL_NUMBERS[self.protocol] if self.protocol else 0
        return TraceFilter(self.source, self.destination, protocol, self.port)


class TraceSource(Protocol):
    """What traces in the datapath."""

    def trace(self, wanted: TraceFilter, seconds: float) -> None: ...

    def traced(self) -> list[TraceEvent]: ...

    def stop_trace(self) -> None: ...


class Tracer:
    """Belongs to the process that asked last; others may ask once it has ended or is not fetched."""

    def __init__(self, source: TraceSource) -> None:
        self._trace_source = source
        self._user, self._pid, self._until, self._fetched = "", 0, 0.0, 0.0

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def ask(self, user: str, pid: int, wanted: TraceFilter, seconds: float) -> None:
        attended = time.monotonic() - self._fetched < _PATIENCE_SECONDS
        if self.seconds_left and pid != self._pid and attended:
            raise Tracing(self._user, self.seconds_left)
        self._trace_source.trace(wanted, seconds)
        self._fetched = time.monotonic()
        self._user, self._pid, self._until = user, pid, self._fetched + seconds

    def fetch(self, pid: int) -> list[TraceEvent]:
        """Return what was seen since the last call; nothing to a process that did not ask."""
        if pid != self._pid:
            return []
        self._fetched = time.monotonic()
        return self._trace_source.traced()

    def events(self, pid: int) -> list[TraceRow]:
        """Fetch, as the API shows events."""
        return [_row(event) for event in self.fetch(pid)]

    def stop(self, pid: int) -> None:
        if pid == self._pid:
            self._trace_source.stop_trace()
            self._until = 0.0


def _row(event: TraceEvent) -> TraceRow:
    ago = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - event.nanoseconds) / 1e9
    return TraceRow(
        time=time.time() - ago,
        source=str(event.source),
        source_port=event.source_port,
        destination=str(event.destination),
        destination_port=event.destination_port,
        protocol=PROTOCOL_NAMES.get(event.protocol, str(event.protocol)),
        length=event.length,
        ttl=event.ttl,
        event=_KINDS[event.kind],
        reason=event.reason,
        rule=event.rule or None,
        address=str(event.address) if event.address else None,
        port=event.port,
    )
