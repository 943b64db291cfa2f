"""Uplinks: their state, the results of their probes, and orders of the operator."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from snatsh.daemon.app import Body, Route, body, engine, note, peer
from snatsh.daemon.roles import Role
from snatsh.engine import views


class OrderBody(Body):
    order: Literal["up", "down", "drain"]


async def links(request: web.Request) -> web.Response:
    running = engine(request)
    return web.json_response({"links": views.link_rows(running.running, running.links)})


async def series(request: web.Request) -> web.Response:
    running = engine(request)
    return web.json_response({"links": views.link_series(running.running, running.links)})


async def order(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    wanted = await body(request, OrderBody)
    note(request, f"request link {name} {wanted.order}")
    state = await engine(request).links.order(name, wanted.order, peer(request).user)
    return web.json_response({"name": name, "state": state.state, "reason": state.reason})


ROUTES = (
    Route("GET", "/v1/links", Role.VIEW, links),
    Route("GET", "/v1/links/series", Role.VIEW, series),
    Route("POST", "/v1/links/{name}/order", Role.OPERATOR, order),
)
