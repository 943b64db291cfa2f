# SPDX-License-Identifier: Apache-2.0
"""`monitor trace`: how live packets are processed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from snatsh.api.diagnostics import TraceRow
from snatsh.model.vocabulary import PROTOCOLS
from snatsh.shell.core.answers import TABLE, Answer, TableAnswer
from snatsh.shell.core.command import CommandSet, Option
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import PREFIX, number

OPERATIONAL = CommandSet()


_LOOK_SECONDS = 0.5
_DEFAULT_SECONDS, _MOST_SECONDS = 30, 300
_DEFAULT_COUNT, _MOST_COUNT = 100, 10_000


@dataclass(frozen=True, slots=True)
class TracedPackets(TableAnswer[Sequence[TraceRow]]):
    refresh: float = _LOOK_SECONDS
    streams: bool = True


@OPERATIONAL.command(
    "monitor trace",
    "Trace packets until a key is pressed",
    Option("source", "Internal or external source address or prefix", PREFIX),
    Option("destination", "Destination address or prefix", PREFIX),
    Option("protocol", "Protocol", choices=PROTOCOLS),
    Option("port", "Source or destination port, or ICMP identifier", number(1, 65_535)),
    Option("count", f"Maximum number of events (default {_DEFAULT_COUNT})", number(1, _MOST_COUNT)),
    Option("seconds", f"Maximum duration in seconds (default {_DEFAULT_SECONDS})", number(1, _MOST_SECONDS)),
    answers=TABLE,
)
def monitor_trace(
    session: Session, count: int = _DEFAULT_COUNT, seconds: int = _DEFAULT_SECONDS, **wanted: Any
) -> Answer:
    if not session.repeating:
        session.client.trace({**wanted, "seconds": seconds})
        session.to_stop, session.trace_left = session.client.stop_trace, count
    traced = session.client.traced()
    events = traced.events[: session.trace_left]
    session.trace_left -= len(events)
    if session.trace_left and traced.seconds:
        return TracedPackets(events, render)
    return TracedPackets(events, _last, refresh=0)


def _last(events: Sequence[TraceRow]) -> str:
    return render(events) + "trace ended\n"


def render(events: Sequence[TraceRow]) -> str:
    return "".join(f"{_line(event)}\n" for event in events)


def _line(event: TraceRow) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(event.time)) + f".{int(event.time % 1 * 1000):03}"
    ends = f"{event.source}:{event.source_port} > {event.destination}:{event.destination_port}"
    packet = f"{at} {event.protocol:<4} {ends} ttl {event.ttl} length {event.length}"
    return f"{packet}: {_fate(event)}"


def _fate(event: TraceRow) -> str:
    if event.event == "dropped":
        return f"dropped, {event.reason}"
    if event.event == "opened":
        return f"opens a flow by rule {event.rule}"
    if event.event == "translated":
        return f"translated, {event.address}:{event.port}"
    return f"passed to the stack, {event.reason}"
