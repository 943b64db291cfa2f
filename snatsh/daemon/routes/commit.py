# SPDX-License-Identifier: Apache-2.0
"""Commits: now, confirmed, at a time; their history, and the rescue configuration."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from snatsh.daemon.app import Body, Route, body, engine, note, peer
from snatsh.daemon.errors import NotFound, problem_rows
from snatsh.daemon.roles import Role
from snatsh.engine.config.confirm import NothingPending
from snatsh.engine.engine import CommitRequest, Engine
from snatsh.engine.status.views import history_rows

_CONSOLE_AGENT = "snatsh/"
MOST_MINUTES = 65_535


class CommitBody(Body):
    check: bool = False
    comment: Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    confirmed: Annotated[int, Field(ge=1, le=MOST_MINUTES)] | None = None
    at: Annotated[str, Field(max_length=40)] | None = None


async def commit(request: web.Request) -> web.Response:
    wanted = await body(request, CommitBody)
    note(request, _command(wanted))
    agent = request.headers.get("User-Agent", "")
    wish = CommitRequest(
        user=peer(request).user,
        method="cli" if agent.startswith(_CONSOLE_AGENT) else "api",
        comment=wanted.comment or None,
        check=wanted.check,
        confirmed=wanted.confirmed,
        at=wanted.at,
    )
    done = await engine(request).commit(wish, peer(request).pid)
    return web.json_response(
        {
            "number": 0,
            "warnings": problem_rows(done.warnings),
            "ended_flows": done.ended_flows,
            "milliseconds": round(done.milliseconds, 3),
            "steps": [
                {"doing": step.doing, "milliseconds": round(step.milliseconds, 3)} for step in done.steps
            ],
            "scheduled": done.scheduled,
        }
    )


def _command(wanted: CommitBody) -> str:
    words = ["commit"]
    if wanted.check:
        words.append("check")
    if wanted.confirmed:
        words.append(f"confirmed {wanted.confirmed}")
    if wanted.at:
        words.append(f"at {wanted.at}")
    return " ".join([*words, wanted.comment or ""]).rstrip()


async def abort(request: web.Request) -> web.Response:
    note(request, "request system commit abort")
    user = peer(request).user
    await engine(request).return_to_confirmed(user, f"aborted by {user}")
    return web.json_response({"number": 0})


async def unschedule(request: web.Request) -> web.Response:
    note(request, "clear system commit")
    waiting = engine(request).schedule.take()
    if waiting is None:
        raise NothingPending
    return web.json_response({"user": waiting.user, "at": waiting.when})


async def history(request: web.Request) -> web.Response:
    rows = history_rows(engine(request).store.entries())
    return web.json_response({"entries": rows, **waiting_rows(engine(request))})


def waiting_rows(running: Engine) -> dict[str, Any]:
    """The commit that waits to be confirmed and the one that waits for its time, null where there is none."""
    pending, scheduled = running.confirmation.pending, running.schedule.waiting
    return {
        "pending": pending
        and {
            "user": pending.user,
            "comment": pending.comment,
            "minutes": pending.minutes,
            "deadline": pending.deadline.isoformat(timespec="seconds"),
            "seconds": round(pending.seconds, 1),
        },
        "scheduled": scheduled
        and {"user": scheduled.user, "at": scheduled.when, "comment": scheduled.comment},
    }


async def committed(request: web.Request) -> web.Response:
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"history {text}: no such entry; expected a number or rescue")
    number = int(text)
    running = engine(request)
    document = await running.history_document(number)
    entries = running.store.entries()
    return web.json_response({**history_rows(entries)[number], "document": document})


async def rescue(request: web.Request) -> web.Response:
    return web.json_response({"document": await engine(request).rescue_document()})


async def save_rescue(request: web.Request) -> web.Response:
    note(request, "request system configuration rescue save")
    await engine(request).save_rescue(peer(request).user)
    return web.json_response({"saved": True})


async def delete_rescue(request: web.Request) -> web.Response:
    note(request, "request system configuration rescue delete")
    await engine(request).delete_rescue()
    return web.json_response({"saved": False})


ROUTES = (
    Route("POST", "/v1/commit", Role.ADMIN, commit),
    Route("POST", "/v1/commit/abort", Role.ADMIN, abort),
    Route("DELETE", "/v1/commit/scheduled", Role.ADMIN, unschedule),
    Route("GET", "/v1/history", Role.VIEW, history),
    Route("GET", "/v1/history/rescue", Role.VIEW, rescue),
    Route("PUT", "/v1/history/rescue", Role.ADMIN, save_rescue),
    Route("DELETE", "/v1/history/rescue", Role.ADMIN, delete_rescue),
    Route("GET", "/v1/history/{number}", Role.VIEW, committed),
)
