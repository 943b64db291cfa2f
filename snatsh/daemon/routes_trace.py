"""Tracing packets: ask, fetch, stop."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from snatsh.daemon.app import Body, Route, body, engine, note, peer
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.roles import Role
from snatsh.datapath.tracing import TraceFilter
from snatsh.engine.tracing import MOST_SECONDS
from snatsh.model.values import Prefix, parse_prefix
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


def _prefix(text: str | None) -> Prefix | None:
    try:
        return None if text is None else parse_prefix(text if "/" in text else f"{text}/32")
    except ValueError as error:
        raise BadRequest(f"trace: {text}: {error}") from None


ROUTES = (
    Route("POST", "/v1/trace", Role.OPERATOR, ask),
    Route("GET", "/v1/trace", Role.OPERATOR, fetch),
    Route("DELETE", "/v1/trace", Role.OPERATOR, stop),
)
