# SPDX-License-Identifier: Apache-2.0
"""Operational state: pools, rules, drops, interfaces."""

from __future__ import annotations

from aiohttp import web

from snatsh.api.interfaces import InterfaceList
from snatsh.api.pools import PoolList
from snatsh.api.rules import RuleList
from snatsh.api.system import Empty
from snatsh.daemon.api import Body, answer, body, engine, note, peer
from snatsh.daemon.errors import BadRequest
from snatsh.model.values import Address, parse_address


async def pools(request: web.Request) -> web.Response:
    return answer(PoolList(await engine(request).pools.rows()))


class AddressBody(Body):
    address: str


async def drain(request: web.Request) -> web.Response:
    address = await _address(request, "drain")
    await engine(request).drain.drain(address, peer(request).user)
    return answer(Empty())


async def restore(request: web.Request) -> web.Response:
    address = await _address(request, "restore")
    await engine(request).drain.restore(address)
    return answer(Empty())


async def _address(request: web.Request, order: str) -> Address:
    text = (await body(request, AddressBody)).address
    try:
        address = parse_address(text)
    except ValueError as error:
        raise BadRequest(f"address: {error}") from None
    note(request, f"request pool {order} {address}")
    return address


async def rules(request: web.Request) -> web.Response:
    return answer(RuleList(await engine(request).rules.rows()))


async def drops(request: web.Request) -> web.Response:
    return answer(await engine(request).status.drops())


async def interfaces(request: web.Request) -> web.Response:
    return answer(InterfaceList(await engine(request).status.interfaces()))
