# SPDX-License-Identifier: Apache-2.0
"""The API server: the routes behind role checks, the audit log and the error format."""

from __future__ import annotations

from aiohttp import web

from snatsh.daemon.access.connections import Connection
from snatsh.daemon.access.shares import Overloaded, Shares, TooMuch
from snatsh.daemon.api import (
    AUDIT,
    CONSOLES,
    ENGINE,
    SHARES,
    VIEW_BODY,
    Route,
    audit,
    detail_of,
    engine,
    free_body,
    limit_body,
    peer,
)
from snatsh.daemon.audit import Audit
from snatsh.daemon.consoles import Consoles
from snatsh.daemon.errors import Handler, SessionLost, answer_errors, client_left, refuse
from snatsh.daemon.roles import Role
from snatsh.daemon.route_table import ROUTES, UNAUDITED
from snatsh.engine.engine import Engine


def build(engine: Engine, audit: Audit) -> web.Application:
    """Build the application over an engine that was started."""
    app = web.Application(middlewares=[_in_turn, _audited, answer_errors])
    app[ENGINE] = engine
    app[AUDIT] = audit
    app[CONSOLES] = Consoles()
    app[SHARES] = Shares()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _guarded(route))
    return app


def _guarded(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        sender = peer(request)
        sender.require(route.role)
        _require_mode(request)
        limit_body(request, min(route.body, VIEW_BODY) if sender.role == Role.VIEW else route.body)
        return await route.handler(request)

    return handle


def _require_mode(request: web.Request) -> None:
    """Keep a console whose private candidate a restart discarded from editing the shared one."""
    mode = request.headers.get("Snatsh-Mode")
    if mode is None or request.path == "/v1/sessions":
        return
    session = engine(request).editing.session(peer(request).pid)
    if session is None or session.mode != mode:
        raise SessionLost(mode)


@web.middleware
async def _in_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle so many requests of a user at once, from the header to the last byte that the client reads."""
    try:
        sender, connection = peer(request), _connection(request)
    except OSError:
        return client_left()
    connection.begin_request()
    try:
        async with request.app[SHARES].requests.turn(sender.uid):
            response = await handler(request)
            await response.prepare(request)
            await response.write_eof()
            await connection.written()
            return response
    except (TooMuch, Overloaded) as error:
        return refuse(error)
    except ConnectionError:
        return client_left()
    finally:
        free_body(request)
        connection.await_request()


def _connection(request: web.Request) -> Connection:
    connection = request.transport.get_protocol() if request.transport else None
    if not isinstance(connection, Connection):
        raise ConnectionResetError
    return connection


@web.middleware
async def _audited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record requests that change something, and those that were refused."""
    sender = peer(request)
    response = await handler(request)
    changes = request.method not in ("GET", "HEAD") and request.path not in UNAUDITED
    if changes or response.status == 403:
        audit(request).record(sender, request.method, request.path, response.status, detail_of(request))
        await audit(request).pace(sender)
    return response
