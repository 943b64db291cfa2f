# SPDX-License-Identifier: Apache-2.0
"""The API server: the routes behind role checks, the audit log and the error format."""

from __future__ import annotations

from aiohttp import web

from snatsh.daemon.api import AUDIT, CONSOLES, ENGINE, Route, audit, detail_of, engine, peer
from snatsh.daemon.audit import Audit
from snatsh.daemon.consoles import Consoles
from snatsh.daemon.errors import Handler, SessionLost, answer_errors, client_left
from snatsh.daemon.route_table import ROUTES, UNAUDITED
from snatsh.engine.engine import Engine

BODY_LIMIT = 16 << 20


def build(engine: Engine, audit: Audit) -> web.Application:
    """Build the application over an engine that was started."""
    app = web.Application(middlewares=[_audited, answer_errors], client_max_size=BODY_LIMIT)
    app[ENGINE] = engine
    app[AUDIT] = audit
    app[CONSOLES] = Consoles()
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _guarded(route))
    return app


def _guarded(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        peer(request).require(route.role)
        _require_mode(request)
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
async def _audited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record requests that change something, and those that were refused."""
    try:
        sender = peer(request)
    except OSError:
        return client_left()
    response = await handler(request)
    changes = request.method not in ("GET", "HEAD") and request.path not in UNAUDITED
    if changes or response.status == 403:
        audit(request).record(sender, request.method, request.path, response.status, detail_of(request))
    return response
