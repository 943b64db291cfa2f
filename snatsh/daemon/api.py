# SPDX-License-Identifier: Apache-2.0
"""What request handlers are made of: routes, bodies and queries, and what belongs to a request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from snatsh.api.codec import Model, encode
from snatsh.daemon.audit import Audit
from snatsh.daemon.consoles import Consoles
from snatsh.daemon.errors import BadRequest, Handler
from snatsh.daemon.roles import Peer, Role, peer_of
from snatsh.engine.engine import Engine
from snatsh.model.limits import check_json_depth

ENGINE = web.AppKey("engine", Engine)
AUDIT = web.AppKey("audit", Audit)
CONSOLES = web.AppKey("consoles", Consoles)

_PEER = web.RequestKey("peer", Peer)
_DETAIL = web.RequestKey("detail", str)


@dataclass(frozen=True, slots=True)
class Route:
    """role: the least role that may send the request. answers: the model of what it gets."""

    method: str
    path: str
    role: Role
    handler: Handler
    answers: type[Model]


class Body(BaseModel):
    """Base of all request bodies."""

    model_config = ConfigDict(extra="forbid", strict=True)


def answer(model: Model) -> web.Response:
    """Answer with the JSON of a model."""
    return web.Response(body=encode(model), content_type="application/json", charset="utf-8")


AnyBody = TypeVar("AnyBody", bound=Body)


async def body(request: web.Request, kind: type[AnyBody]) -> AnyBody:
    """Decode the request's JSON body. BadRequest says what is wrong with it."""
    raw = await request.read()
    try:
        check_json_depth(raw.decode(errors="replace"))
        return kind.model_validate_json(raw)
    except json.JSONDecodeError as error:
        raise BadRequest(f"{request.method} {request.path}: body: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise BadRequest(f"{request.method} {request.path}: {where}: {first['msg']}") from None


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
