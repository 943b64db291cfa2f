# SPDX-License-Identifier: Apache-2.0
"""What request handlers are made of: routes, bodies and queries, and what belongs to a request."""

from __future__ import annotations

import asyncio
import json
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from snatsh.api.codec import Model, encode
from snatsh.daemon.access.shares import Shares, TooSlow
from snatsh.daemon.audit import Audit
from snatsh.daemon.consoles import Consoles
from snatsh.daemon.errors import BadRequest, Handler
from snatsh.daemon.roles import Peer, Role, peer_of
from snatsh.engine.engine import Engine
from snatsh.model.limits import check_json_depth, load_json

ENGINE = web.AppKey("engine", Engine)
AUDIT = web.AppKey("audit", Audit)
CONSOLES = web.AppKey("consoles", Consoles)
SHARES = web.AppKey("shares", Shares)

SMALL_BODY = 256 << 10
LARGE_BODY = 16 << 20
"""A profile, or a file."""

VIEW_BODY = 4 << 20
"""The largest body of a user who may only look: a file."""

_PEER = web.RequestKey("peer", Peer)
_DETAIL = web.RequestKey("detail", str)
_HELD = web.RequestKey("held", int)
_LIMIT = web.RequestKey("limit", int)


@dataclass(frozen=True, slots=True)
class Route:
    """role: the least role that may send the request. answers: the model of what it gets.

    body: most bytes of its body.
    """

    method: str
    path: str
    role: Role
    handler: Handler
    answers: type[Model]
    body: int = SMALL_BODY


class Body(BaseModel):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid", strict=True)


def answer(model: Model) -> web.Response:
    """Answer with the JSON of a model."""
    return web.Response(body=encode(model), content_type="application/json", charset="utf-8")


AnyBody = TypeVar("AnyBody", bound=Body)


async def body(request: web.Request, kind: type[AnyBody]) -> AnyBody:
    """Decode the request's JSON body. BadRequest says what is wrong with it."""
    raw = await _read(request)
    try:
        return await asyncio.to_thread(decode, raw, kind) if len(raw) > SMALL_BODY else decode(raw, kind)
    except json.JSONDecodeError as error:
        raise BadRequest(f"{request.method} {request.path}: body: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise BadRequest(f"{request.method} {request.path}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise BadRequest(f"{request.method} {request.path}: body: {error}") from None


def decode(raw: bytes | bytearray, kind: type[AnyBody]) -> AnyBody:
    """Decode JSON. ValidationError, JSONDecodeError, or ValueError that says what is wrong with it."""
    raw = raw.removeprefix(BOM_UTF8)
    check_json_depth(raw.decode(errors="replace"))
    found = kind.model_validate_json(raw)
    load_json(bytes(raw))  # refuses a name that is given twice, of which pydantic takes the last
    return found


def limit_body(request: web.Request, most: int) -> None:
    """Set how long the body may be."""
    request[_LIMIT] = most


async def _read(request: web.Request) -> bytearray:
    """Read the body within its limits of size and time, and within its sender's share of memory."""
    shares, limit = request.app[SHARES], request.get(_LIMIT, SMALL_BODY)
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    raw = bytearray()
    try:
        async with asyncio.timeout(shares.limits.body_seconds):
            while chunk := await request.content.readany():
                if len(raw) + len(chunk) > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, len(raw) + len(chunk))
                shares.bodies.take(peer(request).uid, len(chunk))
                request[_HELD] = request.get(_HELD, 0) + len(chunk)
                raw += chunk
    except TimeoutError:
        raise TooSlow(
            f"{request.method} {request.path}: the body did not arrive within "
            f"{shares.limits.body_seconds:g} s; send it without pauses"
        ) from None
    return raw


def free_body(request: web.Request) -> None:
    """Give the memory of the body back: the request has ended."""
    held = request.get(_HELD, 0)
    shares = request.app[SHARES]
    shares.bodies.free(peer(request).uid, held)
    shares.freed(held)


def query_of(request: web.Request) -> dict[str, str]:
    """Return the parameters of the query, each of which may be given once."""
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise BadRequest(f"{name}: given more than once; expected one value")
    return dict(request.query)


def peer(request: web.Request) -> Peer:
    """Identify who sent the request. The kernel is asked once per request."""
    known = request.get(_PEER)
    if known is None:
        connection = request.transport.get_extra_info("socket") if request.transport else None
        if connection is None:
            raise ConnectionResetError
        known = request[_PEER] = peer_of(connection)
    return known


def engine(request: web.Request) -> Engine:
    return request.app[ENGINE]


def audit(request: web.Request) -> Audit:
    return request.app[AUDIT]


def consoles(request: web.Request) -> Consoles:
    return request.app[CONSOLES]


def note(request: web.Request, detail: str) -> None:
    """Set what the audit log records of the request besides its path."""
    request[_DETAIL] = detail


def detail_of(request: web.Request) -> str:
    """What was noted for the audit log."""
    found: str = request.get(_DETAIL, "")
    return found
