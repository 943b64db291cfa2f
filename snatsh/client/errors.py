# SPDX-License-Identifier: Apache-2.0
"""How a request to snatd can fail."""

from __future__ import annotations

from collections.abc import Mapping

from snatsh.model.errors import Problem, SnatshError


class ClientError(SnatshError):
    """snatd did not do what was asked."""


class ServerGone(ClientError):
    """No daemon answers on the socket."""


class TimedOut(ClientError):
    """snatd is there but does not answer in time."""


class Garbled(ClientError):
    """What answers is not a snatd this client understands."""


class Refused(ClientError):
    """The role of this user does not allow the request."""


class Rejected(ClientError):
    """snatd understood the request and says no. statement, index: which statement and token of it.

    expected: what fits there. names_expected: the message already says so.
    """

    def __init__(self, message: str, error: Mapping[str, object] | None = None, status: int = 0) -> None:
        super().__init__(message)
        error = error or {}
        self.status = status
        self.problems = tuple(_problem(row) for row in _rows(error.get("problems")))
        self.index = _integer(error.get("index"))
        self.statement = _integer(error.get("statement"))
        expected = error.get("expected")
        self.expected = tuple(map(str, expected)) if isinstance(expected, list) else ()
        self.names_expected = error.get("names_expected") is True


class Busy(Rejected):
    """Another commit is running."""


class ConfirmsOthers(Rejected):
    """A commit would confirm the pending one of another user, and does not say that it may."""


_REJECTED = {409: Busy, 428: ConfirmsOthers}


def refusal(status: int, answer: Mapping[str, object]) -> ClientError:
    error = answer.get("error")
    if not isinstance(error, dict):
        error = {}
    message = str(error.get("message") or f"snatd answers with status {status} and no reason")
    if status == 403:
        return Refused(message)
    return _REJECTED.get(status, Rejected)(message, error, status)


def _rows(value: object) -> list[Mapping[str, object]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _problem(row: Mapping[str, object]) -> Problem:
    path = row.get("path")
    return Problem(
        tuple(map(str, path)) if isinstance(path, list) else (),
        str(row.get("value") or ""),
        str(row.get("reason") or ""),
        "warning" if row.get("severity") == "warning" else "error",
    )


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
