# SPDX-License-Identifier: Apache-2.0
"""Consoles: who edits what, what all of them are told, and what each of them ran."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from snatsh.daemon.app import AUDIT, Body, Route, body, engine, note, peer
from snatsh.daemon.consoles import CONSOLES
from snatsh.daemon.errors import BadRequest
from snatsh.daemon.roles import Role
from snatsh.daemon.routes.commit import waiting_rows
from snatsh.engine.config.edit_sessions import EditSession

_Word = Annotated[str, Field(max_length=200)]


class SessionBody(Body):
    mode: Literal["shared", "private", "exclusive"]
    terminal: Annotated[str, Field(max_length=64, pattern=r"^[\x20-\x7e]*$")] = ""


class PathBody(Body):
    path: Annotated[list[_Word], Field(max_length=32)]


class CommandBody(Body):
    """A command line that a console has run."""

    command: Annotated[str, Field(max_length=8192)]
    failed: bool
    origin: Annotated[str, Field(max_length=100)] = ""
    terminal: Annotated[str, Field(max_length=64)] = ""


async def sessions(request: web.Request) -> web.Response:
    return web.json_response({"sessions": [_row(one) for one in engine(request).sessions.all()]})


async def enter(request: web.Request) -> web.Response:
    wanted = await body(request, SessionBody)
    note(request, f"configure {wanted.mode}")
    asking, running = peer(request), engine(request)
    others = [_row(one) for one in running.sessions.all() if one.pid != asking.pid]
    session = running.sessions.open(
        asking.pid, asking.user, wanted.terminal, wanted.mode, running.running.document
    )
    return web.json_response({"changed": session.candidate.changed, "others": others})


async def move(request: web.Request) -> web.Response:
    wanted = await body(request, PathBody)
    session = engine(request).sessions.of(peer(request).pid)
    if session is None:
        raise BadRequest("this console is not in configuration mode")
    session.path = tuple(wanted.path)
    return web.json_response({"path": wanted.path})


async def leave(request: web.Request) -> web.Response:
    note(request, "leave configuration mode")
    engine(request).sessions.close(peer(request).pid)
    return web.json_response({})


def _row(session: EditSession) -> dict[str, Any]:
    return {
        "user": session.user,
        "terminal": session.terminal,
        "pid": session.pid,
        "mode": session.mode,
        "started": session.started.isoformat(timespec="seconds"),
        "idle": round(session.idle),
        "path": list(session.path),
        "text": session.described,
    }


async def notices(request: web.Request) -> web.Response:
    """What a console shows before its prompt."""
    after = request.query.get("after", "")
    running = engine(request)
    if terminal := request.query.get("terminal", ""):
        request.app[CONSOLES].seen(peer(request), request.query.get("origin", "")[:64], terminal[:64])
    found = running.notices.after(int(after)) if after.isascii() and after.isdigit() else []
    return web.json_response(
        {
            "host_name": running.host_name,
            "last": running.notices.last,
            "notices": [{"time": n.time.isoformat(timespec="seconds"), "text": n.text} for n in found],
            **waiting_rows(running),
        }
    )


async def ran(request: web.Request) -> web.Response:
    """A console reports what was entered. What changes anything is in the log anyway, by its request."""
    command = await body(request, CommandBody)
    request.app[CONSOLES].ran(peer(request), command.command, command.origin, command.terminal)
    request.app[AUDIT].command(
        peer(request), command.command, command.failed, command.origin, command.terminal
    )
    return web.json_response({})


ROUTES = (
    Route("GET", "/v1/sessions", Role.VIEW, sessions),
    Route("POST", "/v1/sessions", Role.ADMIN, enter),
    Route("PUT", "/v1/sessions/path", Role.ADMIN, move),
    Route("DELETE", "/v1/sessions", Role.ADMIN, leave),
    Route("GET", "/v1/notices", Role.VIEW, notices),
    Route("POST", "/v1/commands", Role.VIEW, ran),
)
