# SPDX-License-Identifier: Apache-2.0
"""Flows and subscribers."""

from __future__ import annotations

import asyncio
import sys
from itertools import islice

from aiohttp import web

from snatsh.api.codec import encode
from snatsh.api.configuration import Values
from snatsh.api.flows import Ended, FlowListing, TalkerList
from snatsh.daemon.api import SHARES, answer, engine, note, peer, query_of
from snatsh.engine.flows.query import parse_limit
from snatsh.engine.flows.service import SelectedFlows

_CHUNK = 1000
"""Flows encoded at a time: the event loop runs in between, and no listing is held in memory whole."""


async def flows(request: web.Request) -> web.StreamResponse:
    query = query_of(request)
    if parse_limit(query.get("limit", "0")) <= _SHORT:
        return await _stream(request, await engine(request).flows.listing(query))
    shares = request.app[SHARES]
    async with shares.listings.turn(peer(request).uid), asyncio.timeout(shares.limits.listing_seconds):
        response = await _stream(request, await engine(request).flows.listing(query))
    shares.freed(sys.maxsize)
    return response


_SHORT = 1000
"""A listing of more flows takes a turn of its own."""


async def _stream(request: web.Request, listing: SelectedFlows) -> web.StreamResponse:
    head = FlowListing(listing.total, listing.matched, listing.capacity, flows=[])
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(encode(head)[: -len(b"]}")])
    rows = listing.rows()
    separator = b""
    while chunk := list(islice(rows, _CHUNK)):
        await response.write(separator + encode(chunk)[1:-1])
        separator = b","
        await asyncio.sleep(0)
    await response.write(b"]}")
    await response.write_eof()
    return response


async def end(request: web.Request) -> web.Response:
    """End the flows that a filter matches."""
    query = query_of(request)
    note(request, f"clear flows {request.query_string}")
    return answer(Ended(await engine(request).flows.end(query)))


async def mappings(request: web.Request) -> web.Response:
    query = query_of(request)
    if parse_limit(query.get("limit", "0")) <= _SHORT:
        return answer(await engine(request).mappings.listing(query))
    shares = request.app[SHARES]
    async with shares.listings.turn(peer(request).uid), asyncio.timeout(shares.limits.listing_seconds):
        response = answer(await engine(request).mappings.listing(query))
    shares.freed(sys.maxsize)
    return response


async def end_mappings(request: web.Request) -> web.Response:
    """End the mappings that a filter matches, with their flows."""
    query = query_of(request)
    note(request, f"clear mappings {request.query_string}")
    return answer(Ended(await engine(request).mappings.end(query)))


async def talkers(request: web.Request) -> web.Response:
    return answer(TalkerList(await engine(request).flows.talkers(query_of(request))))


async def subscribers(request: web.Request) -> web.Response:
    return answer(await engine(request).subscribers.listing(query_of(request)))


async def sources(request: web.Request) -> web.Response:
    """Complete the address of a subscriber."""
    typed = request.query.get("typed", "")
    return answer(Values(await engine(request).subscribers.completions(typed)))
