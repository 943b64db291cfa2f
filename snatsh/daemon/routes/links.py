# SPDX-License-Identifier: Apache-2.0
"""Links: state, probe results, past changes, and manual control."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from snatsh.daemon.api import Body, body, engine, note, peer, query_of
from snatsh.daemon.errors import BadRequest
from snatsh.engine.flows.query import parse_limit


class OrderBody(Body):
    order: Literal["up", "down", "drain"]


async def links(request: web.Request) -> web.Response:
    return web.json_response({"links": engine(request).links.rows()})


async def series(request: web.Request) -> web.Response:
    return web.json_response({"links": engine(request).links.series()})


async def changes(request: web.Request) -> web.Response:
    """List state changes, newest first."""
    query = query_of(request)
    limit = parse_limit(query.pop("limit", "100"))
    name = query.pop("link", "")
    if query:
        raise BadRequest(f"{next(iter(query))}: expected link or limit")
    return web.json_response({"changes": engine(request).links.changes(name, limit)})


async def order(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    order = (await body(request, OrderBody)).order
    note(request, f"request link {name} {order}")
    state = await engine(request).links.order(name, order, peer(request).user)
    return web.json_response({"name": name, "state": state.state, "reason": state.reason})
