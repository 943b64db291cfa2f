# SPDX-License-Identifier: Apache-2.0
"""Every failure, whatever raised it, in the one format of the API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from snatsh.daemon.roles import Forbidden
from snatsh.engine.config.confirm import NothingPending
from snatsh.engine.config.edit_sessions import Locked
from snatsh.engine.config.schedule import AlreadyScheduled, BadTime
from snatsh.engine.diagnostics.packet_test import NoRoute
from snatsh.engine.diagnostics.pool_ping import NoProbe
from snatsh.engine.diagnostics.trace import Tracing
from snatsh.engine.errors import (
    CommitInProgress,
    Conflict,
    EngineError,
    NoRescue,
    NoSuchEntry,
    QueryError,
    StatementFailed,
    StoreError,
)
from snatsh.engine.storage.user_files import FileError, NoSuchFile
from snatsh.model.errors import FormError, Problem, ProfileError, SnatshError, StatementError

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(SnatshError):
    """The request itself can't be understood."""


class NotFound(SnatshError):
    """What was asked for is not there."""


class SessionLost(SnatshError):
    """snatd was restarted, and with it went what belongs to sessions."""

    def __init__(self, mode: str) -> None:
        super().__init__(
            f"snatd was restarted and knows no {mode} session of this console any more; "
            "leave configuration mode and enter it again"
        )


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Forbidden, 403),
    (CommitInProgress, 409),
    (SessionLost, 410),
    (Locked, 423),
    (Tracing, 423),
    (NoProbe, 400),
    (Conflict, 412),
    (AlreadyScheduled, 412),
    (NothingPending, 404),
    (NoRescue, 404),
    (BadTime, 400),
    (NoRoute, 400),
    (NoSuchFile, 404),
    (FileError, 400),
    (NotFound, 404),
    (NoSuchEntry, 404),
    (BadRequest, 400),
    (QueryError, 400),
    (StatementFailed, 422),
    (StatementError, 422),
    (ProfileError, 422),
    (FormError, 422),
    (StoreError, 500),
    (EngineError, 500),
)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into answers. Never a traceback, never HTML."""
    try:
        return await handler(request)
    except ConnectionError:
        return client_left()
    except web.HTTPException as error:
        return _answer(error.status, {"message": _http_message(request, error)})
    except SnatshError as error:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return _answer(status, describe(error))
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return _answer(500, {"message": "snatd made a mistake of its own; its log says more"})


def client_left() -> web.Response:
    """Nobody is there to read it; aiohttp wants an answer all the same."""
    return web.Response(status=499)


def problem_rows(problems: tuple[Problem, ...] | list[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "path": list(problem.path),
            "value": problem.value,
            "reason": problem.reason,
            "severity": problem.severity,
        }
        for problem in problems
    ]


def describe(error: SnatshError) -> dict[str, Any]:
    """What the error has to say, beyond the format's defaults."""
    told: dict[str, Any] = {"message": str(error)}
    if isinstance(error, ProfileError):
        told["problems"] = problem_rows(error.problems)
    if isinstance(error, StatementError | StatementFailed):
        told |= {"index": error.index, "expected": list(error.expected)}
    if isinstance(error, StatementFailed):
        told["statement"] = error.statement
    return told


def _answer(status: int, told: dict[str, Any]) -> web.Response:
    blank: dict[str, Any] = {"message": "", "problems": [], "index": None, "expected": []}
    return web.json_response({"error": {**blank, **told}}, status=status)


def _http_message(request: web.Request, error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{request.method} {request.path}: no such method here; expected {allowed}"
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return f"{request.method} {request.path}: the body is too large; {error.text}"
    if error.status == 404:
        return f"{request.method} {request.path}: no such resource"
    return f"{request.method} {request.path}: {error.reason}"
