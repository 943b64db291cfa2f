# SPDX-License-Identifier: Apache-2.0
"""Echo requests from a pool address, which no socket can use: sent raw, answered through a trace.

A reply belongs to no flow, so the datapath drops it; the trace reports it, and it is not counted as a drop.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snatsh.datapath.tracing import TraceEvent, TraceFilter
from snatsh.engine import packets
from snatsh.engine.errors import EngineError
from snatsh.model.values import Address, Prefix

if TYPE_CHECKING:
    from snatsh.engine.diagnostics.trace import Tracer

_PAYLOAD = bytes(range(56))
_LOOK_SECONDS = 0.01


class NoProbe(EngineError):
    """The echo request cannot be sent."""


@dataclass(frozen=True, slots=True)
class EchoReply:
    """reached: the answer is from the destination, not from a router on the path."""

    source: Address
    milliseconds: float
    ttl: int
    reached: bool


def probe(
    tracer: Tracer, pid: int, user: str, source: Address, destination: Address, ttl: int, seconds: float
) -> EchoReply | None:
    """Send one echo request. None if no answer came in time. NoProbe if it cannot be sent."""
    identifier = int.from_bytes(os.urandom(2), "big") | 1
    answers = TraceFilter(source=Prefix(f"{source}/32"), protocol=packets.ICMP, probe=identifier)
    tracer.ask(user, pid, answers, 10)
    try:
        started = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        _send(source, destination, identifier, ttl)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in tracer.fetch(pid):
                if _answers(event, source, destination, identifier):
                    took = (event.nanoseconds - started) / 1e6
                    return EchoReply(event.source, took, event.ttl, event.source == destination)
            time.sleep(_LOOK_SECONDS)
        return None
    finally:
        tracer.stop(pid)


def _answers(event: TraceEvent, source: Address, destination: Address, identifier: int) -> bool:
    if event.destination != source:
        return False
    if event.source == destination and identifier in (event.source_port, event.destination_port):
        return True
    return event.reason == "icmp-no-flow"


def _send(source: Address, destination: Address, identifier: int, ttl: int) -> None:
    echo = packets.echo(identifier, 1, _PAYLOAD)
    request = packets.packet(packets.ICMP, source.packed, destination.packed, echo, ttl)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(request, (str(destination), 0))
    except OSError as error:
        raise NoProbe(f"an echo from {source} to {destination} cannot be sent: {error.strerror}") from None
