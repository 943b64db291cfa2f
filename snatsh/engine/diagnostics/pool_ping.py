# SPDX-License-Identifier: Apache-2.0
"""Echo requests from a pool address, which no socket can use: sent raw, answered through a trace.

A reply belongs to no flow, so the datapath drops it; the trace reports it, and it is not counted as a drop.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snatsh.datapath.tracing import TraceEvent, TraceFilter
from snatsh.engine.errors import EngineError
from snatsh.model.values import Address, Prefix
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

if TYPE_CHECKING:
    from snatsh.engine.diagnostics.trace import Tracer

_ECHO = 8
_HEADER = 20
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
    answers = TraceFilter(source=Prefix(f"{source}/32"), protocol=PROTOCOL_NUMBERS["icmp"], probe=identifier)
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
    echo = struct.pack(">BBHHH", _ECHO, 0, 0, identifier, 1) + _PAYLOAD
    echo = echo[:2] + struct.pack(">H", _checksum(echo)) + echo[4:]
    # The kernel fills in length, identification and checksum.
    header = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, ttl, PROTOCOL_NUMBERS["icmp"], 0, source.packed, destination.packed
    )
    assert len(header) == _HEADER
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(header + echo, (str(destination), 0))
    except OSError as error:
        raise NoProbe(f"an echo from {source} to {destination} cannot be sent: {error.strerror}") from None


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
