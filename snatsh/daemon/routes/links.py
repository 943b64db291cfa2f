# SPDX-License-Identifier: Apache-2.0
"""Uplinks: their state, the results of their probes, and orders of the operator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from aiohttp import web

from snatsh.daemon.app import Body, Route, body, engine, note, peer
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.roles import Role
from snatsh.daemon.routes.state import query_of
from snatsh.engine.flows import query as flow_query
from snatsh.engine.status import views


class OrderBody(Body):
    order: Literal["up", "down", "drain"]


async def links(request: web.Request) -> web.Response:
    running = engine(request)
    return web.json_response({"links": views.link_rows(running.running, running.links)})


async def series(request: web.Request) -> web.Response:
    running = engine(request)
    return web.json_response({"links": views.link_series(running.running, running.links)})


async def changes(request: web.Request) -> web.Response:
    """What links went through, the newest first."""
    query = query_of(request)
    limit = flow_query.parse_limit(query.pop("limit", "100"))
    name = query.pop("link", "")
    if query:
        raise BadRequest(f"{next(iter(query))}: expected link or limit")
    found = engine(request).link_history.newest(name, limit)
    return web.json_response({"changes": [asdict(one) for one in found]})


async def order(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    wanted = await body(request, OrderBody)
    note(request, f"request link {name} {wanted.order}")
    state = await engine(request).links.order(name, wanted.order, peer(request).user)
    return web.json_response({"name": name, "state": state.state, "reason": state.reason})


ROUTES = (
    Route("GET", "/v1/links", Role.VIEW, links),
    Route("GET", "/v1/links/series", Role.VIEW, series),
    Route("GET", "/v1/links/changes", Role.VIEW, changes),
    Route("POST", "/v1/links/{name}/order", Role.OPERATOR, order),
)
