# SPDX-License-Identifier: Apache-2.0
"""Operational state: pools, rules, drops, interfaces."""

from __future__ import annotations

from aiohttp import web

from snatsh.daemon.api import engine


async def pools(request: web.Request) -> web.Response:
    return web.json_response({"pools": await engine(request).pools.rows()})


async def rules(request: web.Request) -> web.Response:
    return web.json_response({"rules": await engine(request).rules.rows()})


async def drops(request: web.Request) -> web.Response:
    return web.json_response(await engine(request).status.drops())


async def interfaces(request: web.Request) -> web.Response:
    return web.json_response({"interfaces": await engine(request).status.interfaces()})
