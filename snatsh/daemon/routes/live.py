# SPDX-License-Identifier: Apache-2.0
"""What live consoles ask for every second: a screenful at a time, read once for all who look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from aiohttp import web
from pydantic import Field

from snatsh.daemon.app import Body, Route, body, engine, note
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.roles import Role
from snatsh.daemon.routes.commit import waiting_rows
from snatsh.daemon.routes.state import filter_of, query_of
from snatsh.datapath.flows import FLOW_VIEW
from snatsh.engine.flows import groups, listing
from snatsh.engine.flows import query as flow_query
from snatsh.engine.flows.listing import ListingQuery
from snatsh.engine.flows.snapshot import Snapshot
from snatsh.engine.status.live import interface_names
from snatsh.model.values import parse_address
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

_STALE_SECONDS = 1.2
_MOST_ENDED = 1000
_ADDRESSES = 256

_Port = Annotated[int, Field(ge=0, le=65_535)]


class FlowKey(Body):
    """What tells a flow from all others."""

    source: str
    source_port: _Port
    destination: str
    destination_port: _Port
    protocol: Literal["tcp", "udp", "icmp"]


class EndBody(Body):
    flows: Annotated[list[FlowKey], Field(max_length=_MOST_ENDED)]


async def overview(request: web.Request) -> web.Response:
    running = engine(request)
    found = await running.live.overview()
    links = running.links.states
    return web.json_response(
        {
            **found,
            "host_name": running.host_name,
            "links": [{"name": name, "state": links[name].state} for name in sorted(links)],
            **waiting_rows(running),
        }
    )


async def flows(request: web.Request) -> web.Response:
    query = query_of(request)
    wish = _wish(request, query)
    snapshot = await engine(request).live.snapshots.latest()
    names = interface_names()

    def look() -> tuple[list[dict[str, Any]], int]:
        places = listing.chosen(snapshot, wish, names)
        shown = listing.page(snapshot, wish, places)
        rows, rates = snapshot.flows[shown], snapshot.rates[shown].astype(np.float64)
        if snapshot.age > _STALE_SECONDS:
            rows, rates = engine(request).live.fresh.look(rows, rates)
        listed = [
            {**row, "rate": int(rate)}
            for row, rate in zip(flow_query.rows(rows, names), rates.tolist(), strict=True)
        ]
        return listed, len(snapshot.flows) if places is None else len(places)

    rows, matched = await asyncio.to_thread(look)
    return web.json_response({**_head(request, snapshot), "matched": matched, "flows": rows})


async def grouped(request: web.Request) -> web.Response:
    query = query_of(request)
    by = query.pop("by", "")
    wish = _wish(request, query)
    snapshot = await engine(request).live.snapshots.latest()
    names = interface_names()

    def look() -> tuple[list[dict[str, Any]], groups.Sums]:
        found = groups.sums(snapshot, wish, by, names)
        return groups.screenful(found, wish, groups.group_name(by, names)), found

    rows, found = await asyncio.to_thread(look)
    head = _head(request, snapshot)
    return web.json_response({**head, "matched": found.matched, "count": len(found.values), "groups": rows})


async def flow(request: web.Request) -> web.Response:
    """One flow, of this moment; null when there is none any more."""
    query = query_of(request)
    try:
        numbers = {name: int(query[name]) for name in ("source_port", "destination_port") if name in query}
        key = FlowKey.model_validate({**query, **numbers})
    except ValueError as error:
        raise BadRequest(f"flow: expected source, source_port, destination, destination_port and protocol "
                         f"({str(error).splitlines()[0]})") from None  # fmt: skip
    datapath = engine(request).datapath
    found = await asyncio.to_thread(datapath.flows_again, _rows([key]))
    rows = list(flow_query.rows(found, interface_names()))
    return web.json_response({"flow": rows[0] if rows else None})


async def end(request: web.Request) -> web.Response:
    wanted = (await body(request, EndBody)).flows
    rows = _rows(wanted)
    note(request, f"clear {len(wanted)} selected flows")
    datapath = engine(request).datapath
    ended = await engine(request).change(lambda: datapath.end_flows(rows))
    return web.json_response({"ended": ended})


async def pools(request: web.Request) -> web.Response:
    live = engine(request).live

    def look() -> list[dict[str, Any]]:
        now, _ = live.totals.look()
        return live.pools.rows(now.usage, most=_ADDRESSES)

    return web.json_response({"pools": await asyncio.to_thread(look)})


async def rules(request: web.Request) -> web.Response:
    return web.json_response({"rules": await engine(request).live.rules()})


async def subscribers(request: web.Request) -> web.Response:
    """Inside addresses by rate, flows, bytes, by what they hold or were refused, and what they may hold."""
    query = query_of(request)
    wish = _wish(request, query)
    running = engine(request)
    snapshot = await running.live.snapshots.latest()
    names = interface_names()

    def look() -> tuple[list[dict[str, Any]], int, int]:
        held = running.datapath.subscribers()
        found = groups.sums(snapshot, wish, "subscriber", names)
        more = {name: partial(_beside, held, name) for name in ("sessions", "refused")}
        rows = groups.screenful(found, wish, flow_query.address_text, more)
        return rows, len(found.values), int((held["refused"] > 0).sum())

    rows, count, limited = await asyncio.to_thread(look)
    allowed = running.running.profile.limits.subscriber.sessions
    return web.json_response({
        **_head(request, snapshot), "count": count, "limited": limited, "allowed": allowed,
        "subscribers": rows,
    })  # fmt: skip


def _beside(held: np.ndarray[Any, Any], name: str, addresses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What is held by these addresses, which are in ascending order; 0 by those that hold nothing."""
    held = held[np.isin(held["address"], addresses)]
    column = np.zeros(len(addresses))
    column[np.searchsorted(addresses, held["address"])] = held[name]
    return column


def _wish(request: web.Request, query: dict[str, str]) -> ListingQuery:
    """The wish of a query; what is left of it are filters of flows."""
    whole = {
        name: _number(name, query.pop(name, default)) for name, default in (("offset", "0"), ("limit", "50"))
    }
    turned = query.pop("turned", "no")
    if turned not in ("yes", "no"):
        raise BadRequest(f"turned: {turned}: expected yes or no")
    text, sort = query.pop("text", ""), query.pop("sort", "rate")
    return replace(
        ListingQuery(filter_of(request, query), text, sort, turned == "yes"),
        offset=whole["offset"],
        limit=whole["limit"],
    )


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name}: {text}: expected a number")
    return int(text)


def _head(request: web.Request, snapshot: Snapshot) -> dict[str, Any]:
    """age: seconds since the table was read. every: how often it is, at most."""
    return {
        "age": round(snapshot.age, 1),
        "every": round(snapshot.due, 1),
        "total": len(snapshot.flows),
        "capacity": engine(request).datapath.max_flows,
    }


def _rows(keys: list[FlowKey]) -> np.ndarray[Any, Any]:
    rows: np.ndarray[Any, Any] = np.zeros(len(keys), dtype=FLOW_VIEW)
    for at, key in enumerate(keys):
        for name, value in _key_fields(key).items():
            rows[at][name] = value
    return rows


def _key_fields(key: FlowKey) -> Mapping[str, int]:
    try:
        addresses = {name: int(parse_address(getattr(key, name))) for name in ("source", "destination")}
    except ValueError as error:
        raise BadRequest(f"flow: {error}") from None
    return {
        **addresses,
        "source_port": key.source_port,
        "destination_port": key.destination_port,
        "protocol": PROTOCOL_NUMBERS[key.protocol],
    }


ROUTES = (
    Route("GET", "/v1/live/overview", Role.VIEW, overview),
    Route("GET", "/v1/live/flows", Role.VIEW, flows),
    Route("GET", "/v1/live/groups", Role.VIEW, grouped),
    Route("GET", "/v1/live/flow", Role.VIEW, flow),
    Route("GET", "/v1/live/pools", Role.VIEW, pools),
    Route("GET", "/v1/live/rules", Role.VIEW, rules),
    Route("GET", "/v1/live/subscribers", Role.VIEW, subscribers),
    Route("POST", "/v1/live/flows/end", Role.OPERATOR, end),
)
