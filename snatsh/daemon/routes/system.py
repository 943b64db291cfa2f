# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole, its consoles and its logs."""

from __future__ import annotations

import asyncio

from aiohttp import web

from snatsh import __version__
from snatsh.api.system import API, AlarmList, AuditLog, ConsoleList, LogMessages, Version
from snatsh.daemon.api import answer, audit, consoles, engine, peer
from snatsh.daemon.messages import MESSAGES


async def version(request: web.Request) -> web.Response:
    sender = peer(request)
    login = engine(request).running.profile.system.login
    return answer(
        Version(
            version=__version__,
            api=API,
            host_name=engine(request).host_name,
            user=sender.user,
            role=sender.role.label,
            announcement=login.announcement,
            idle_timeout=login.idle_timeout,
        )
    )


async def resources(request: web.Request) -> web.Response:
    return answer(await engine(request).status.resources())


async def uptime(request: web.Request) -> web.Response:
    return answer(engine(request).status.uptime())


async def alarms(request: web.Request) -> web.Response:
    return answer(AlarmList(await engine(request).status.alarms()))


async def users(request: web.Request) -> web.Response:
    return answer(ConsoleList(consoles(request).rows()))


async def messages(_request: web.Request) -> web.Response:
    """Return what snatd logged."""
    return answer(LogMessages(MESSAGES.lines()))


async def audit_log(request: web.Request) -> web.Response:
    return answer(AuditLog(await asyncio.to_thread(audit(request).last)))
