# SPDX-License-Identifier: Apache-2.0
"""Answer every failure, whatever raised it, in the error format of the API."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from msgspec import UNSET

from snatsh.api.codec import encode
from snatsh.api.commits import ProblemRow
from snatsh.api.errors import ErrorAnswer, ErrorDetails
from snatsh.daemon.access.shares import Overloaded, TooMuch, TooSlow
from snatsh.daemon.roles import Forbidden
from snatsh.engine.config.confirm import NothingPending, Unconfirmed, WouldConfirmOthers
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
    """The request is malformed."""


class NotFound(SnatshError):
    """What the request names does not exist."""


class SessionLost(SnatshError):
    """snatd was restarted, which ended every edit session."""

    def __init__(self, mode: str) -> None:
        super().__init__(
            f"snatd was restarted, which ended the {mode} edit session of this console; "
            "leave configuration mode and enter it again"
        )


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Forbidden, 403),
    (TooSlow, 408),
    (TooMuch, 429),
    (Overloaded, 503),
    (CommitInProgress, 409),
    (SessionLost, 410),
    (Locked, 423),
    (Tracing, 423),
    (NoProbe, 400),
    (Conflict, 412),
    (AlreadyScheduled, 412),
    (Unconfirmed, 412),
    (WouldConfirmOthers, 428),
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
    """Answer exceptions as JSON: no traceback, no HTML."""
    try:
        return await handler(request)
    except ConnectionError:
        return client_left()
    except web.HTTPException as error:
        return _answer(error.status, ErrorDetails(_http_message(request, error)))
    except SnatshError as error:
        return refuse(error)
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return _answer(500, ErrorDetails("internal error; see the snatd log"))


def refuse(error: SnatshError) -> web.Response:
    """Answer an error of our own with its status."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    return _answer(status, describe(error))


def client_left() -> web.Response:
    """Answer a client that has disconnected, as aiohttp requires."""
    return web.Response(status=499)


def problem_rows(problems: Sequence[Problem]) -> list[ProblemRow]:
    return [ProblemRow(list(one.path), one.value, one.reason, one.severity) for one in problems]


def describe(error: SnatshError) -> ErrorDetails:
    """Return the fields of the error format that this error sets."""
    problems = problem_rows(error.problems) if isinstance(error, ProfileError) else []
    if not isinstance(error, StatementError | StatementFailed):
        return ErrorDetails(str(error), problems)
    statement = error.statement if isinstance(error, StatementFailed) else UNSET
    return ErrorDetails(
        str(error), problems, error.index, list(error.expected), statement, error.names_expected
    )


def _answer(status: int, details: ErrorDetails) -> web.Response:
    body = encode(ErrorAnswer(details))
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def _http_message(request: web.Request, error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{request.method} {request.path}: method not allowed; expected {allowed}"
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return f"{request.method} {request.path}: the body is too large; {error.text}"
    if error.status == 404:
        return f"{request.method} {request.path}: no such resource"
    return f"{request.method} {request.path}: {error.reason}"
