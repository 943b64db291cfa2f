# SPDX-License-Identifier: Apache-2.0
"""Operational state: flows, pools, rules, drops, interfaces."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from itertools import islice

from aiohttp import web

from snatsh.daemon.app import Route, engine, note
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.roles import Role
from snatsh.engine.flows import query as flow_query
from snatsh.engine.flows.query import FlowFilter, Flows
from snatsh.engine.host.facts import traffic
from snatsh.engine.status import views

_OFFERED = 200
_CHUNK = 1000
"""Flows formatted at a time: the event loop goes on in between, and no listing is held in memory whole."""


async def flows(request: web.Request) -> web.StreamResponse:
    query = query_of(request)
    limit = flow_query.parse_limit(query.pop("limit", str(flow_query.DEFAULT_LIMIT)))
    sort = flow_query.parse_sort(query.pop("sort")) if "sort" in query else None
    wanted = filter_of(request, query)
    datapath = engine(request).datapath

    def look() -> tuple[int, int, Flows]:
        table = datapath.flows()
        matching = wanted.select(table)
        return len(table), len(matching), flow_query.first(matching, limit, sort)

    async with engine(request).listing:
        total, matched, shown = await asyncio.to_thread(look)
    head = {"total": total, "matched": matched, "capacity": datapath.max_flows}
    return await _stream(request, head, shown)


async def _stream(request: web.Request, head: dict[str, int], shown: Flows) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(json.dumps(head)[:-1].encode() + b', "flows": [')
    rows = flow_query.rows(shown, dict(socket.if_nameindex()))
    separator = ""
    while chunk := list(islice(rows, _CHUNK)):
        await response.write((separator + ",".join(map(json.dumps, chunk))).encode())
        separator = ","
        await asyncio.sleep(0)
    await response.write(b"]}")
    await response.write_eof()
    return response


async def end_flows(request: web.Request) -> web.Response:
    wanted = filter_of(request, query_of(request))
    note(request, f"clear flows {request.query_string}")
    datapath = engine(request).datapath
    ended = await engine(request).change(lambda: datapath.end_flows(wanted.select(datapath.flows())))
    return web.json_response({"ended": ended})


def filter_of(request: web.Request, query: dict[str, str]) -> FlowFilter:
    """The filter of a query, names of pools and links looked up in what runs."""
    plan = engine(request).running
    names = {name: query.pop(name) for name in ("pool", "link") if name in query}
    wanted = FlowFilter.parse(query)
    if "pool" in names:
        found = [image for image in plan.image.pools if image.name == names["pool"]]
        if not found:
            raise BadRequest(f"pool: {names['pool']}: no such pool runs")
        runs = tuple((int(run.first), int(run.last)) for run in found[0].runs)
        wanted = replace(wanted, pool=runs)
    if "link" in names:
        link = plan.profile.links.get(names["link"])
        if link is None:
            raise BadRequest(f"link: {names['link']}: no such link runs")
        known = plan.facts.interfaces.get(link.interface)
        wanted = replace(wanted, link=known.index if known else 0)
    return wanted


async def talkers(request: web.Request) -> web.Response:
    query = query_of(request)
    limit = flow_query.parse_limit(query.pop("limit", "10"))
    wanted = filter_of(request, query)
    datapath = engine(request).datapath
    async with engine(request).listing:
        rows = await asyncio.to_thread(lambda: flow_query.talkers(wanted.select(datapath.flows()), limit))
    return web.json_response({"talkers": rows})


async def subscribers(request: web.Request) -> web.Response:
    """Inside addresses by the sessions they hold, most first."""
    limit = flow_query.parse_limit(query_of(request).get("limit", "100"))
    datapath, allowed = engine(request).datapath, engine(request).running.profile.limits.subscriber.sessions
    found = await asyncio.to_thread(datapath.subscribers)
    found = found[(found["sessions"] > 0) | (found["refused"] > 0)]
    first = found[found["sessions"].argsort(kind="stable")[::-1][:limit]]
    rows = [
        {
            "address": flow_query.address_text(int(row["address"])),
            "sessions": int(row["sessions"]),
            "refused": int(row["refused"]),
        }
        for row in first
    ]
    return web.json_response({"subscribers": rows, "total": len(found), "allowed": allowed})


async def sources(request: web.Request) -> web.Response:
    """For completion: inside addresses of live flows that begin with what was typed."""
    typed = request.query.get("typed", "")
    datapath = engine(request).datapath
    found = await asyncio.to_thread(datapath.subscribers)
    words = (flow_query.address_text(int(address)) for address in found["address"][found["sessions"] > 0])
    return web.json_response({"values": sorted(islice((w for w in words if w.startswith(typed)), _OFFERED))})


def query_of(request: web.Request) -> dict[str, str]:
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise BadRequest(f"{name}: given more than once; expected one value")
    return dict(request.query)


async def pools(request: web.Request) -> web.Response:
    plan, datapath = engine(request).running, engine(request).datapath
    rows = await asyncio.to_thread(lambda: views.pool_rows(plan, datapath.address_usage()))
    return web.json_response({"pools": rows})


async def rules(request: web.Request) -> web.Response:
    plan, datapath = engine(request).running, engine(request).datapath
    states = engine(request).links.states

    def look() -> list[views.Row]:
        return views.rule_rows(plan, datapath.rule_counters(), datapath.flows(), states)

    async with engine(request).listing:
        rows = await asyncio.to_thread(look)
    return web.json_response({"rules": rows})


async def drops(request: web.Request) -> web.Response:
    from snatsh.datapath.reasons import DROP_REASONS, HANDED_UP_REASONS

    datapath = engine(request).datapath
    dropped, handed_up = await asyncio.to_thread(lambda: (datapath.drops(), datapath.handed_up()))
    return web.json_response(
        {
            "drops": views.reason_rows(dropped, DROP_REASONS),
            "handed_up": views.reason_rows(handed_up, HANDED_UP_REASONS),
        }
    )


async def interfaces(request: web.Request) -> web.Response:
    running = engine(request)
    facts = await running.facts()
    attached, counted = await asyncio.to_thread(lambda: (running.datapath.attached(), traffic()))
    rows = views.interface_rows(running.running.profile, facts, attached)
    return web.json_response({"interfaces": [{**row, **counted.get(row["name"], {})} for row in rows]})


ROUTES = (
    Route("GET", "/v1/flows", Role.VIEW, flows),
    Route("DELETE", "/v1/flows", Role.OPERATOR, end_flows),
    Route("GET", "/v1/talkers", Role.VIEW, talkers),
    Route("GET", "/v1/subscribers", Role.VIEW, subscribers),
    Route("GET", "/v1/completions/source", Role.VIEW, sources),
    Route("GET", "/v1/pools", Role.VIEW, pools),
    Route("GET", "/v1/rules", Role.VIEW, rules),
    Route("GET", "/v1/drops", Role.VIEW, drops),
    Route("GET", "/v1/interfaces", Role.VIEW, interfaces),
)
