"""The API server: routes, each with the role it needs, behind the audit and the error format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from snatsh.daemon.audit import Audit
from snatsh.daemon.errors import BadRequest, Handler, answer_errors, client_left
from snatsh.daemon.roles import Peer, Role, peer_of
from snatsh.engine.engine import Engine

API = 1
BODY_LIMIT = 16 << 20

ENGINE = web.AppKey("engine", Engine)
AUDIT = web.AppKey("audit", Audit)

_PEER = web.RequestKey("peer", Peer)
_DETAIL = web.RequestKey("detail", str)

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    role: Role
    handler: Handler


def build(engine: Engine, audit: Audit) -> web.Application:
    """The application over an engine that was started."""
    from snatsh.daemon import routes_config, routes_state

    app = web.Application(middlewares=[_audited, answer_errors], client_max_size=BODY_LIMIT)
    app[ENGINE] = engine
    app[AUDIT] = audit
    for route in (*routes_config.ROUTES, *routes_state.ROUTES):
        app.router.add_route(route.method, route.path, _guarded(route))
    return app


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


async def body(request: web.Request, kind: type[Body]) -> Body:
    """The request's JSON body. BadRequest says what is wrong with it."""
    raw = await request.read()
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise BadRequest(f"{request.method} {request.path}: {where}: {first['msg']}") from None


def _guarded(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        peer(request).require(route.role)
        return await route.handler(request)

    return handle


@web.middleware
async def _audited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record what changes something, and what was refused."""
    try:
        asking = peer(request)
    except OSError:
        return client_left()
    response = await handler(request)
    if request.method not in ("GET", "HEAD") or response.status == 403:
        detail = request.get(_DETAIL, "")
        request.app[AUDIT].record(asking, request.method, request.path, response.status, detail)
    return response
