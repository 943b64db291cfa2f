# SPDX-License-Identifier: Apache-2.0
"""Requests over snatd's socket: one connection each, JSON there and back."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

from snatsh import __version__
from snatsh.api.codec import Malformed, builtins, decode
from snatsh.api.flows import FlowFilter
from snatsh.client.errors import ClientError, Garbled, Refused, ServerGone, TimedOut, refusal

DEFAULT_SOCKET = Path("/run/snatsh/snatd.sock")

ANSWER_LIMIT = 256 << 20
"""Bytes of an answer. A listing of a million flows stays below."""

T = TypeVar("T")
_CONNECT_TIMEOUT = struct.pack("@ll", 5, 0)  # struct timeval
_ANSWER_SECONDS = 60.0
_CHUNK = 1 << 18


def socket_path(given: str | os.PathLike[str] | None = None) -> Path:
    """The socket to use: as given, else as in SNATSH_SOCKET, else the usual one."""
    return Path(given or os.environ.get("SNATSH_SOCKET") or DEFAULT_SOCKET)


class Transport:
    """One connection per request, so that a restart of snatd between two requests goes unnoticed."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        timeout: float = _ANSWER_SECONDS,
        answer_limit: int = ANSWER_LIMIT,
    ) -> None:
        self.path = socket_path(path)
        self._timeout = timeout
        self._answer_limit = answer_limit
        self.mode = ""

    def get(self, path: str, kind: type[T], query: FlowFilter | None = None) -> T:
        return self.ask("GET", with_query(path, query), kind)

    def ask(
        self, method: str, path: str, kind: type[T], body: object = None, timeout: float | None = None
    ) -> T:
        """The answer as a model; every failure as a ClientError."""
        return self.understand(self.send(method, path, body, timeout), kind)

    def send(self, method: str, path: str, body: object = None, timeout: float | None = None) -> bytes:
        """The JSON of the answer. ClientError when there is none, or when snatd refuses."""
        connection = _Connection(self.path, self._timeout if timeout is None else timeout)
        headers = {"User-Agent": f"snatsh/{__version__}", "Snatsh-Client": "cli"}
        if self.mode:
            headers["Snatsh-Mode"] = self.mode
        encoded = None
        if body is not None:
            encoded = json.dumps(builtins(body)).encode()
            headers["Content-Type"] = "application/json"
        try:
            # snatd may refuse a connection before it has read a request, and says why.
            with suppress(BrokenPipeError):
                connection.request(method, path, encoded, headers)
            response = connection.getresponse()
            raw = connection.read_bounded(response, self._answer_limit)
        except TimeoutError:
            raise TimedOut(f"snatd at {self.path} does not answer {method} {path} in time") from None
        except (http.client.RemoteDisconnected, http.client.IncompleteRead):
            raise ServerGone(f"snatd at {self.path} closed the connection before it answered") from None
        except http.client.HTTPException as error:
            raise Garbled(f"the server at {self.path} does not speak HTTP: {error!r}") from None
        except OSError as error:
            raise self._gone(error) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise self._refusal(response.status, raw)
        return raw

    def understand(self, raw: bytes, kind: type[T]) -> T:
        """The model in an answer. Garbled when it is not there."""
        try:
            return decode(raw, kind)
        except Malformed as error:
            raise Garbled(
                f"snatd at {self.path} sent an answer that this client does not understand: {error}; "
                "check that both are of the same release"
            ) from None

    def _gone(self, error: OSError) -> ClientError:
        if error.errno in (errno.EACCES, errno.EPERM):
            return Refused(f"no permission to open {self.path}; ask for membership in the group snatsh")
        if error.errno in (errno.ECONNRESET, errno.EPIPE):
            return ServerGone(f"snatd at {self.path} closed the connection before it answered")
        return ServerGone(
            f"no snatd answers at {self.path} ({os.strerror(error.errno or 0) if error.errno else error}); "
            f"start it with: snatd --socket {self.path}"
        )

    def _refusal(self, status: int, raw: bytes) -> ClientError:
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            return Garbled(f"snatd at {self.path} sent status {status} without JSON")
        if not isinstance(answer, dict):
            return Garbled(f"snatd at {self.path} sent status {status} without an object")
        return refusal(status, answer)


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket, with one deadline for all of a request."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._deadline = time.monotonic() + seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Blocking: it waits while the backlog is full, where a non-blocking connect fails.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _CONNECT_TIMEOUT)
        self.sock.connect(os.fspath(self._path))
        self._await()

    def _await(self) -> None:
        """Let the next wait on the socket last until the deadline at most."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left)

    def read_bounded(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        """The whole body. A peer that drips does not outlast the deadline."""
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise Garbled(f"the answer of snatd at {self._path} is longer than {limit} bytes")
            self._await()
        if response.length:
            raise http.client.IncompleteRead(bytes(body), response.length)
        return bytes(body)


def with_query(path: str, query: FlowFilter | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path
