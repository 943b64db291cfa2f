# SPDX-License-Identifier: Apache-2.0
"""Operational state: pools, rules, drops, interfaces."""

from __future__ import annotations

from aiohttp import web

from snatsh.api.interfaces import InterfaceList
from snatsh.api.pools import PoolList
from snatsh.api.rules import RuleList
from snatsh.daemon.api import answer, engine


async def pools(request: web.Request) -> web.Response:
    return answer(PoolList(await engine(request).pools.rows()))


async def rules(request: web.Request) -> web.Response:
    return answer(RuleList(await engine(request).rules.rows()))


async def drops(request: web.Request) -> web.Response:
    return answer(await engine(request).status.drops())


async def interfaces(request: web.Request) -> web.Response:
    return answer(InterfaceList(await engine(request).status.interfaces()))
