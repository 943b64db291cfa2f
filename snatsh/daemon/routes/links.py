# SPDX-License-Identifier: Apache-2.0
"""Links: state, probe results, past changes, and manual control."""

from __future__ import annotations

from aiohttp import web

from snatsh.api.links import LinkChangeList, LinkList, LinkOrder, LinkOrdered, LinkSeriesList
from snatsh.daemon.api import Body, answer, body, engine, note, peer, query_of
from snatsh.daemon.errors import BadRequest
from snatsh.engine.flows.query import parse_limit


class OrderBody(Body):
    order: LinkOrder


async def links(request: web.Request) -> web.Response:
    return answer(LinkList(engine(request).links.rows()))


async def series(request: web.Request) -> web.Response:
    return answer(LinkSeriesList(engine(request).links.series()))


async def changes(request: web.Request) -> web.Response:
    """List state changes, newest first."""
    query = query_of(request)
    limit = parse_limit(query.pop("limit", "100"))
    name = query.pop("link", "")
    if query:
        raise BadRequest(f"{next(iter(query))}: expected link or limit")
    return answer(LinkChangeList(engine(request).links.changes(name, limit)))


async def order(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    order = (await body(request, OrderBody)).order
    note(request, f"request link {name} {order}")
    state = await engine(request).links.order(name, order, peer(request).user)
    return answer(LinkOrdered(name, state.state, state.reason))
