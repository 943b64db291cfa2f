# SPDX-License-Identifier: Apache-2.0
"""The API server: routes, each with the role it needs, behind the audit and the error format."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from snatsh.daemon.audit import Audit
from snatsh.daemon.consoles import CONSOLES, Consoles
from snatsh.daemon.errors import BadRequest, Handler, SessionLost, answer_errors, client_left
from snatsh.daemon.roles import Peer, Role, peer_of
from snatsh.engine.engine import Engine
from snatsh.model.limits import check_json_depth

API = 1
BODY_LIMIT = 16 << 20
COMMANDS = "/v1/commands"
"""Where consoles report what was entered: audited as such, not as a request."""

ENGINE = web.AppKey("engine", Engine)
AUDIT = web.AppKey("audit", Audit)

_PEER = web.RequestKey("peer", Peer)
_DETAIL = web.RequestKey("detail", str)


class Body(BaseModel):
    """What all bodies of requests have in common."""

    model_config = ConfigDict(extra="forbid", strict=True)


AnyBody = TypeVar("AnyBody", bound=Body)


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    role: Role
    handler: Handler


def build(engine: Engine, audit: Audit) -> web.Application:
    """The application over an engine that was started."""
    from snatsh.daemon.routes import (
        commit,
        config,
        files,
        links,
        live,
        netfilter,
        sessions,
        state,
        system,
        trace,
    )

    app = web.Application(middlewares=[_audited, answer_errors], client_max_size=BODY_LIMIT)
    app[ENGINE] = engine
    app[AUDIT] = audit
    app[CONSOLES] = Consoles()
    for part in (config, commit, files, sessions, state, links, live, netfilter, system, trace):
        _add(app, part.ROUTES)
    return app


def _add(app: web.Application, routes: Iterable[Route]) -> None:
    for route in routes:
        app.router.add_route(route.method, route.path, _guarded(route))


def peer(request: web.Request) -> Peer:
    """Who asks. Asked of the kernel once per request."""
    known = request.get(_PEER)
    if known is None:
        connection = request.transport.get_extra_info("socket") if request.transport else None
        if connection is None:
            raise ConnectionResetError
        known = request[_PEER] = peer_of(connection)
    return known


def engine(request: web.Request) -> Engine:
    return request.app[ENGINE]


def note(request: web.Request, detail: str) -> None:
    """Say in the audit log what exactly was asked for."""
    request[_DETAIL] = detail


async def body(request: web.Request, kind: type[AnyBody]) -> AnyBody:
    """The request's JSON body. BadRequest says what is wrong with it."""
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


def _guarded(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        peer(request).require(route.role)
        _require_mode(request)
        return await route.handler(request)

    return handle


def _require_mode(request: web.Request) -> None:
    """After a restart, a console with a candidate of its own must not end up in the shared one."""
    wanted = request.headers.get("Snatsh-Mode")
    if wanted is None or request.path == "/v1/sessions":
        return
    session = engine(request).sessions.of(peer(request).pid)
    if session is None or session.mode != wanted:
        raise SessionLost(wanted)


@web.middleware
async def _audited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record what changes something, and what was refused."""
    try:
        asking = peer(request)
    except OSError:
        return client_left()
    response = await handler(request)
    changes = request.method not in ("GET", "HEAD") and request.path != COMMANDS
    if changes or response.status == 403:
        detail = request.get(_DETAIL, "")
        request.app[AUDIT].record(asking, request.method, request.path, response.status, detail)
    return response
