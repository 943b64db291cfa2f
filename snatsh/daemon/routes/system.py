# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole, its consoles and its logs."""

from __future__ import annotations

import asyncio

from aiohttp import web

from snatsh import __version__
from snatsh.daemon.api import API_VERSION, audit, consoles, engine, peer
from snatsh.daemon.messages import MESSAGES


async def version(request: web.Request) -> web.Response:
    sender = peer(request)
    login = engine(request).running.profile.system.login
    return web.json_response(
        {
            "version": __version__,
            "api": API_VERSION,
            "host_name": engine(request).host_name,
            "user": sender.user,
            "role": sender.role.label,
            "announcement": login.announcement,
            "idle_timeout": login.idle_timeout,
        }
    )


async def resources(request: web.Request) -> web.Response:
    return web.json_response(await engine(request).status.resources())


async def uptime(request: web.Request) -> web.Response:
    return web.json_response(engine(request).status.uptime())


async def alarms(request: web.Request) -> web.Response:
    return web.json_response({"alarms": await engine(request).status.alarms()})


async def users(request: web.Request) -> web.Response:
    return web.json_response({"users": consoles(request).rows()})


async def messages(_request: web.Request) -> web.Response:
    """Return what snatd logged."""
    return web.json_response({"lines": MESSAGES.lines()})


async def audit_log(request: web.Request) -> web.Response:
    return web.json_response({"entries": await asyncio.to_thread(audit(request).last)})
