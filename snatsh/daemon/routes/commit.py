# SPDX-License-Identifier: Apache-2.0
"""Commits: immediate, confirmed or scheduled; the history, and the rescue configuration."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from snatsh.api.commits import (
    CommitNumber,
    CommitResult,
    CommitStep,
    EffectRow,
    History,
    RescueSaved,
    Unscheduled,
)
from snatsh.api.configuration import DocumentAnswer
from snatsh.daemon.api import Body, answer, body, engine, note, peer
from snatsh.daemon.errors import BadRequest, NotFound, problem_rows
from snatsh.engine.config.commit_service import CommitRequest

_CLIENT_HEADER = "Snatsh-Client"
_CLIENTS = ("cli", "api")
MOST_MINUTES = 65_535


class CommitBody(Body):
    check: bool = False
    comment: Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    confirmed: Annotated[int, Field(ge=1, le=MOST_MINUTES)] | None = None
    at: Annotated[str, Field(max_length=40)] | None = None
    and_confirm: bool = False


async def commit(request: web.Request) -> web.Response:
    wanted = await body(request, CommitBody)
    note(request, _command(wanted))
    if wanted.and_confirm and (wanted.confirmed or wanted.at):
        raise BadRequest("and_confirm: expected neither confirmed nor at beside it")
    commit_request = CommitRequest(
        user=peer(request).user,
        method=_method(request),
        comment=wanted.comment or None,
        check=wanted.check,
        confirmed=wanted.confirmed,
        at=wanted.at,
        and_confirm=wanted.and_confirm,
    )
    done = await engine(request).commits.commit(commit_request, peer(request).pid)
    return answer(
        CommitResult(
            number=0,
            warnings=problem_rows(done.warnings),
            ended_flows=done.ended_flows,
            milliseconds=round(done.milliseconds, 3),
            steps=[CommitStep(step.doing, round(step.milliseconds, 3)) for step in done.steps],
            scheduled=done.scheduled,
            impact=[EffectRow(one.kind, one.subject, one.count, one.text) for one in done.impact],
        )
    )


def _method(request: web.Request) -> str:
    """How the commit was made, for the history. Programs other than our own consoles count as `api`."""
    client = request.headers.get(_CLIENT_HEADER, "api")
    if client not in _CLIENTS:
        raise BadRequest(f"{_CLIENT_HEADER}: {client}: expected one of {', '.join(_CLIENTS)}")
    return client


def _command(wanted: CommitBody) -> str:
    words = ["commit"]
    if wanted.check:
        words.append("check")
    if wanted.confirmed:
        words.append(f"confirmed {wanted.confirmed}")
    if wanted.at:
        words.append(f"at {wanted.at}")
    if wanted.and_confirm:
        words.append("and-confirm")
    return " ".join([*words, wanted.comment or ""]).rstrip()


async def abort(request: web.Request) -> web.Response:
    note(request, "request system commit abort")
    user = peer(request).user
    await engine(request).commits.roll_back_pending(user, f"aborted by {user}")
    return answer(CommitNumber(0))


async def unschedule(request: web.Request) -> web.Response:
    note(request, "clear system commit")
    waiting = engine(request).commits.unschedule()
    return answer(Unscheduled(waiting.user, waiting.when))


async def history(request: web.Request) -> web.Response:
    running = engine(request)
    waiting = running.commits.waiting()
    return answer(History(running.archive.entries(), waiting.pending, waiting.scheduled))


async def committed(request: web.Request) -> web.Response:
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"history {text}: no such entry; expected a number or rescue")
    return answer(await engine(request).archive.entry(int(text)))


async def rescue(request: web.Request) -> web.Response:
    return answer(DocumentAnswer(await engine(request).archive.rescue()))


async def save_rescue(request: web.Request) -> web.Response:
    note(request, "request system configuration rescue save")
    await engine(request).archive.save_rescue(peer(request).user)
    return answer(RescueSaved(True))


async def delete_rescue(request: web.Request) -> web.Response:
    note(request, "request system configuration rescue delete")
    await engine(request).archive.delete_rescue()
    return answer(RescueSaved(False))
