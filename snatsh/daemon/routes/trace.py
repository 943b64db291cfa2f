# SPDX-License-Identifier: Apache-2.0
"""Tracing packets: ask, fetch, stop. Echo requests from pool addresses, whose answers are traced."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from snatsh.daemon.app import Body, Route, body, engine, note, peer
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.roles import Role
from snatsh.datapath.tracing import TraceFilter
from snatsh.engine.diagnostics.pool_ping import probe as send_probe
from snatsh.engine.diagnostics.trace import MOST_SECONDS
from snatsh.model.values import Address, Prefix, parse_prefix
from snatsh.model.vocabulary import PROTOCOL_NUMBERS


class TraceBody(Body):
    source: str | None = None
    destination: str | None = None
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    seconds: Annotated[int, Field(ge=1, le=MOST_SECONDS)] = 30


async def ask(request: web.Request) -> web.Response:
    given = await body(request, TraceBody)
    wanted = TraceFilter(
        _prefix(given.source),
        _prefix(given.destination),
        PROTOCOL_NUMBERS[given.protocol] if given.protocol else 0,
        given.port,
    )
    note(request, f"monitor trace {given.model_dump_json(exclude_none=True)}")
    asking, tracer = peer(request), engine(request).tracer
    await asyncio.to_thread(tracer.ask, asking.user, asking.pid, wanted, given.seconds)
    return web.json_response({"seconds": given.seconds})


async def fetch(request: web.Request) -> web.Response:
    tracer = engine(request).tracer
    left = tracer.seconds_left
    events = await asyncio.to_thread(tracer.events, peer(request).pid)
    return web.json_response({"events": events, "seconds": left})


async def stop(request: web.Request) -> web.Response:
    await asyncio.to_thread(engine(request).tracer.stop, peer(request).pid)
    return web.json_response({})


class ProbeBody(Body):
    source: str
    destination: str
    ttl: Annotated[int, Field(ge=1, le=255)] = 64
    milliseconds: Annotated[int, Field(ge=10, le=5_000)] = 1_000


async def probe(request: web.Request) -> web.Response:
    """One echo request from an address of a pool."""
    given = await body(request, ProbeBody)
    try:
        source, destination = Address(given.source), Address(given.destination)
    except ValueError as error:
        raise BadRequest(f"probe: {error}") from None
    running = engine(request)
    if not any(run.first <= source <= run.last for pool in running.running.image.pools for run in pool.runs):
        raise BadRequest(f"probe: {source} is no address of a pool that runs")
    note(request, f"ping {destination} source {source}")
    asking = peer(request)
    found = await asyncio.to_thread(
        send_probe, running.tracer, asking.pid, asking.user, source, destination, given.ttl,
        given.milliseconds / 1000,
    )  # fmt: skip
    if found is None:
        return web.json_response({"answer": None})
    answer = {"source": str(found.source), "milliseconds": round(found.milliseconds, 3), "ttl": found.ttl,
              "reached": found.reached}  # fmt: skip
    return web.json_response({"answer": answer})


def _prefix(text: str | None) -> Prefix | None:
    try:
        return None if text is None else parse_prefix(text if "/" in text else f"{text}/32")
    except ValueError as error:
        raise BadRequest(f"trace: {text}: {error}") from None


ROUTES = (
    Route("POST", "/v1/trace", Role.OPERATOR, ask),
    Route("GET", "/v1/trace", Role.OPERATOR, fetch),
    Route("DELETE", "/v1/trace", Role.OPERATOR, stop),
    Route("POST", "/v1/probe", Role.OPERATOR, probe),
)
