# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole, its consoles and logs, and trial packets."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from snatsh.daemon.app import AUDIT, Body, Route, body, engine, peer
from snatsh.daemon.consoles import CONSOLES
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.messages import MESSAGES
from snatsh.daemon.roles import Role
from snatsh.engine.config.commit import prepare
from snatsh.engine.diagnostics import packet_test
from snatsh.engine.flows.query import address_text
from snatsh.engine.pools.usage import pool_uses
from snatsh.engine.status import overview, views
from snatsh.model.errors import ProfileError
from snatsh.model.limits import load_json
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

_LINES = 1000

_Port = Annotated[int, Field(ge=0, le=65_535)]


class PacketBody(Body):
    source: str
    destination: str
    protocol: Literal["tcp", "udp", "icmp"] = "tcp"
    source_port: _Port = 0
    destination_port: _Port = 0
    interface: Annotated[str, Field(max_length=15)] | None = None
    mark: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 0


async def resources(request: web.Request) -> web.Response:
    running = engine(request)
    flows = await asyncio.to_thread(running.datapath.flow_count)
    return web.json_response(await asyncio.to_thread(overview.resources, running, flows))


async def uptime(request: web.Request) -> web.Response:
    return web.json_response(overview.uptime(engine(request)))


async def alarms(request: web.Request) -> web.Response:
    running = engine(request)
    facts = await running.facts()
    flows = await asyncio.to_thread(running.datapath.flow_count)

    def look() -> list[dict[str, Any]]:
        pools = pool_uses(running.running.image, running.datapath.address_usage())
        hooks = running.datapath.attached()
        interfaces = views.interface_rows(running.running.profile, facts, hooks)
        return overview.alarms(running, flows, pools, interfaces)

    return web.json_response({"alarms": await asyncio.to_thread(look)})


async def users(request: web.Request) -> web.Response:
    return web.json_response({"users": request.app[CONSOLES].rows()})


async def messages(request: web.Request) -> web.Response:
    """What snatd itself has said."""
    return web.json_response({"lines": MESSAGES.lines()})


async def audit(request: web.Request) -> web.Response:
    path = request.app[AUDIT].path

    def last() -> list[dict[str, Any]]:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                return [load_json(line) for line in deque(file, _LINES)]
        except FileNotFoundError:
            return []

    return web.json_response({"entries": await asyncio.to_thread(last)})


async def test_packet(request: web.Request) -> web.Response:
    """By what runs, by the candidate of the console that asks, and by the flows there are."""
    given = await body(request, PacketBody)
    question = _question(given)
    running = engine(request)
    facts = await running.facts()
    candidate = running.sessions.candidate(peer(request).pid)
    plan = running.running

    def ask() -> dict[str, Any]:
        image = running.datapath.loaded(plan.image)
        result = {"running": _asked(lambda: packet_test.answer(question, image, plan.profile, facts))}
        if candidate.changed:

            def by_candidate() -> dict[str, Any]:
                new = prepare(candidate.document, facts, running.links.down_in)
                return packet_test.answer(question, new.image, new.profile, facts)

            result["candidate"] = _asked(by_candidate)
        return {**result, "flow": _flow(request, question)}

    async with running.listing:
        return web.json_response(await asyncio.to_thread(ask))


def _asked(ask: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = ask()
    except (packet_test.NoRoute, ProfileError) as error:
        return {"verdict": "none", "reason": str(error), "rule": None, "ways": "", "pool": None,
                "addresses": [], "out_interface": "", "next_hop": "", "others": []}  # fmt: skip
    return answer


def _flow(request: web.Request, question: packet_test.TestPacket) -> dict[str, Any] | None:
    """The live flow that such a packet belongs to."""
    flows = engine(request).datapath.flows()
    wanted = {
        "source": int(question.source), "destination": int(question.destination),
        "source_port": question.source_port, "destination_port": question.destination_port,
        "protocol": PROTOCOL_NUMBERS[question.protocol],
    }  # fmt: skip
    if question.source_port == 0:
        del wanted["source_port"]
    chosen = flows["source"] == wanted.pop("source")
    for name, value in wanted.items():
        chosen &= flows[name] == value
    found = flows[chosen]
    if not len(found):
        return None
    row = found[0]
    return {
        "source_port": int(row["source_port"]),
        "mapped": address_text(int(row["mapped"])),
        "mapped_port": int(row["mapped_port"]),
        "rule": int(row["rule"]),
    }


def _question(given: PacketBody) -> packet_test.TestPacket:
    try:
        source, destination = ipaddress.IPv4Address(given.source), ipaddress.IPv4Address(given.destination)
    except ValueError as error:
        raise BadRequest(f"test packet: {error}") from None
    return packet_test.TestPacket(
        source, destination, given.protocol, given.source_port, given.destination_port, given.interface,
        given.mark,
    )  # fmt: skip


ROUTES = (
    Route("GET", "/v1/system/resources", Role.VIEW, resources),
    Route("GET", "/v1/system/uptime", Role.VIEW, uptime),
    Route("GET", "/v1/system/alarms", Role.VIEW, alarms),
    Route("GET", "/v1/system/users", Role.VIEW, users),
    Route("GET", "/v1/log/messages", Role.VIEW, messages),
    Route("GET", "/v1/log/audit", Role.OPERATOR, audit),
    Route("POST", "/v1/test/packet", Role.OPERATOR, test_packet),
)
