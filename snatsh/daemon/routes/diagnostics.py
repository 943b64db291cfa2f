# SPDX-License-Identifier: Apache-2.0
"""Diagnostics: test packets, traces, and pings from pool addresses."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from snatsh.api.diagnostics import ProbeAnswer, ProbeResult, TraceStarted
from snatsh.api.system import Empty
from snatsh.daemon.api import Body, answer, body, engine, note, peer
from snatsh.daemon.errors import BadRequest
from snatsh.engine.diagnostics.packet_test import TestPacket
from snatsh.engine.diagnostics.trace import MOST_SECONDS, TraceRequest
from snatsh.model.values import Address, Prefix, parse_prefix
from snatsh.model.vocabulary import ProtocolName

_Port = Annotated[int, Field(ge=0, le=65_535)]


class PacketBody(Body):
    source: str
    destination: str
    protocol: ProtocolName = "tcp"
    source_port: _Port = 0
    destination_port: _Port = 0
    interface: Annotated[str, Field(max_length=15)] | None = None
    mark: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 0


class TraceBody(Body):
    source: str | None = None
    destination: str | None = None
    protocol: ProtocolName | None = None
    port: _Port = 0
    seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)] = 30


class ProbeBody(Body):
    source: str
    destination: str
    ttl: Annotated[int, Field(ge=1, le=255)] = 64
    milliseconds: Annotated[int, Field(ge=10, le=5_000)] = 1_000


async def test_packet(request: web.Request) -> web.Response:
    """Evaluate a packet against the running rules, the sender's candidate, and the flow table."""
    given = await body(request, PacketBody)
    packet = TestPacket(
        _address(given.source, "test packet"), _address(given.destination, "test packet"), given.protocol,
        given.source_port, given.destination_port, given.interface, given.mark,
    )  # fmt: skip
    running = engine(request)
    candidate = running.editing.candidate(peer(request).pid)
    return answer(await running.diagnostics.test_packet(packet, candidate))


async def trace(request: web.Request) -> web.Response:
    """Start a trace."""
    given = await body(request, TraceBody)
    wanted = TraceRequest(
        _prefix(given.source), _prefix(given.destination), given.protocol, given.port, given.seconds
    )
    note(request, f"monitor trace {given.model_dump_json(exclude_none=True)}")
    sender = peer(request)
    await engine(request).diagnostics.trace(sender.user, sender.pid, wanted)
    return answer(TraceStarted(given.seconds))


async def trace_events(request: web.Request) -> web.Response:
    return answer(await engine(request).diagnostics.trace_events(peer(request).pid))


async def stop_trace(request: web.Request) -> web.Response:
    await engine(request).diagnostics.stop_trace(peer(request).pid)
    return answer(Empty())


async def probe(request: web.Request) -> web.Response:
    """Send one echo request from a pool address."""
    given = await body(request, ProbeBody)
    source, destination = _address(given.source, "probe"), _address(given.destination, "probe")
    note(request, f"ping {destination} source {source}")
    sender = peer(request)
    found = await engine(request).diagnostics.ping(
        sender.user, sender.pid, source, destination, given.ttl, given.milliseconds / 1000
    )
    if found is None:
        return answer(ProbeResult(None))
    return answer(
        ProbeResult(ProbeAnswer(str(found.source), round(found.milliseconds, 3), found.ttl, found.reached))
    )


def _address(text: str, command: str) -> Address:
    try:
        return Address(text)
    except ValueError as error:
        raise BadRequest(f"{command}: {error}") from None


def _prefix(text: str | None) -> Prefix | None:
    try:
        return None if text is None else parse_prefix(text if "/" in text else f"{text}/32")
    except ValueError as error:
        raise BadRequest(f"trace: {text}: {error}") from None
