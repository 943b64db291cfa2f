# SPDX-License-Identifier: Apache-2.0
"""The live view: one page at a time, read once for all consoles."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from snatsh.api.flows import Ended, FlowAnswer, FlowKey
from snatsh.api.pools import LivePoolList
from snatsh.api.rules import LiveRuleList
from snatsh.daemon.api import Body, answer, body, engine, note, query_of
from snatsh.daemon.errors import BadRequest
from snatsh.model.vocabulary import ProtocolName

_MOST_ENDED = 1000

_Port = Annotated[int, Field(ge=0, le=65_535)]


class FlowKeyBody(Body):
    source: str
    source_port: _Port
    destination: str
    destination_port: _Port
    protocol: ProtocolName

    @property
    def key(self) -> FlowKey:
        return FlowKey(self.source, self.source_port, self.destination, self.destination_port, self.protocol)


class EndBody(Body):
    flows: Annotated[list[FlowKeyBody], Field(max_length=_MOST_ENDED)]


async def overview(request: web.Request) -> web.Response:
    running = engine(request)
    links, commits = running.links.summary(), running.commits.waiting()
    return answer(await running.status.overview(running.host_name, links, commits))


async def flows(request: web.Request) -> web.Response:
    return answer(await engine(request).live_flows.page(query_of(request)))


async def grouped(request: web.Request) -> web.Response:
    return answer(await engine(request).live_flows.grouped(query_of(request)))


async def flow(request: web.Request) -> web.Response:
    """Look up one flow; null if it has ended."""
    query = query_of(request)
    try:
        numbers = {name: int(query[name]) for name in ("source_port", "destination_port") if name in query}
        key = FlowKeyBody.model_validate({**query, **numbers}).key
    except ValueError as error:
        raise BadRequest(f"flow: expected source, source_port, destination, destination_port and protocol "
                         f"({str(error).splitlines()[0]})") from None  # fmt: skip
    return answer(FlowAnswer(await engine(request).flows.find(key)))


async def end(request: web.Request) -> web.Response:
    """End selected flows."""
    keys = [one.key for one in (await body(request, EndBody)).flows]
    note(request, f"clear {len(keys)} selected flows")
    return answer(Ended(await engine(request).flows.end_selected(keys)))


async def pools(request: web.Request) -> web.Response:
    return answer(LivePoolList(await engine(request).pools.live()))


async def rules(request: web.Request) -> web.Response:
    return answer(LiveRuleList(await engine(request).rules.live()))


async def subscribers(request: web.Request) -> web.Response:
    return answer(await engine(request).subscribers.live(query_of(request)))
