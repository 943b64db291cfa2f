# SPDX-License-Identifier: Apache-2.0
"""Consoles: edit sessions, notices, and the commands they ran."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from snatsh.api.configuration import EditMode, Editor, EditorList, EditPath, EnteredConfiguration
from snatsh.api.system import Empty, NoticeList, NoticeRow
from snatsh.daemon.api import Body, answer, audit, body, consoles, engine, note, peer
from snatsh.daemon.errors import BadRequest
from snatsh.engine.config.edit_sessions import EditSession

_Word = Annotated[str, Field(max_length=200)]


class SessionBody(Body):
    mode: EditMode
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
    return answer(EditorList([_row(one) for one in engine(request).editing.sessions()]))


async def enter(request: web.Request) -> web.Response:
    wanted = await body(request, SessionBody)
    note(request, f"configure {wanted.mode}")
    sender, editing = peer(request), engine(request).editing
    others = [_row(one) for one in editing.sessions() if one.pid != sender.pid]
    session = editing.enter(sender.pid, sender.user, wanted.terminal, wanted.mode)
    return answer(EnteredConfiguration(session.candidate.changed, others))


async def move(request: web.Request) -> web.Response:
    wanted = await body(request, PathBody)
    session = engine(request).editing.session(peer(request).pid)
    if session is None:
        raise BadRequest("this console is not in configuration mode")
    session.path = tuple(wanted.path)
    return answer(EditPath(wanted.path))


async def leave(request: web.Request) -> web.Response:
    note(request, "leave configuration mode")
    engine(request).editing.leave(peer(request).pid)
    return answer(Empty())


def _row(session: EditSession) -> Editor:
    return Editor(
        user=session.user,
        terminal=session.terminal,
        pid=session.pid,
        mode=session.mode,
        started=session.started.isoformat(timespec="seconds"),
        idle=round(session.idle),
        path=list(session.path),
        text=session.described,
    )


async def notices(request: web.Request) -> web.Response:
    """Return what a console shows before its prompt."""
    after = request.query.get("after", "")
    running = engine(request)
    if terminal := request.query.get("terminal", ""):
        consoles(request).seen(peer(request), request.query.get("origin", "")[:64], terminal[:64])
    found = running.notices.after(int(after)) if after.isascii() and after.isdigit() else []
    rows = [NoticeRow(one.time.isoformat(timespec="seconds"), one.text, one.kind) for one in found]
    waiting = running.commits.waiting()
    return answer(
        NoticeList(running.host_name, running.notices.last, rows, waiting.pending, waiting.scheduled)
    )


async def ran(request: web.Request) -> web.Response:
    """Record a command that a console has run. Changes it made are in the audit log by their requests."""
    command = await body(request, CommandBody)
    consoles(request).ran(peer(request), command.command, command.origin, command.terminal)
    audit(request).command(peer(request), command.command, command.failed, command.origin, command.terminal)
    await audit(request).pace(peer(request))
    return answer(Empty())
