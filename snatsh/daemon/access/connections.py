# SPDX-License-Identifier: Apache-2.0
"""Accept connections within limits by user, and close those that are idle or do not read."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import resource
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from snatsh.api.codec import encode
from snatsh.api.errors import ErrorAnswer, ErrorDetails
from snatsh.daemon.access.shares import is_unlimited
from snatsh.engine.peer_credentials import peer_credentials

log = logging.getLogger(__name__)

_AT_ONCE = 16
"""Connections accepted before the event loop turns to its other work."""

_RESERVED = 256
"""File descriptors kept for probes, netlink, files and root."""

_MOST_DESCRIPTORS = 65_536
_PAUSE_SECONDS = 0.25
_SWEEP_SECONDS = 1.0
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """each: connections of a user other than root. together: of all of these users.

    No user may have more than are left for the others.

    idle_seconds: for a request's header to arrive. write_seconds: for a client that does not read.
    """

    each: int = 64
    together: int = 1024
    idle_seconds: float = 10.0
    write_seconds: float = 30.0


def raise_descriptor_limit() -> ConnectionLimits:
    """Raise RLIMIT_NOFILE as far as allowed. Return the connections that leave room for all else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    usual = ConnectionLimits()
    in_use = sum(1 for _ in Path("/proc/self/fd").iterdir())
    together = usual.together if soft < 0 else max(min(usual.together, soft - _RESERVED - in_use), 1)
    return replace(usual, each=min(usual.each, together), together=together)


class Connection(asyncio.Protocol):
    """One connection in front of the HTTP server's own protocol: what it waits for, and since when."""

    def __init__(self, server: asyncio.Protocol, limits: ConnectionLimits, ended: Callable[[], None]) -> None:
        self._server = server
        self._limits = limits
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._deadline = math.inf
        self._writable = asyncio.Event()
        self._blocked_since = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()
        self.await_request()
        self._server.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._server.data_received(data)

    def eof_received(self) -> bool | None:
        return self._server.eof_received()

    def pause_writing(self) -> None:
        self._writable.clear()
        self._blocked_since = asyncio.get_running_loop().time()
        self._server.pause_writing()

    def resume_writing(self) -> None:
        self._writable.set()
        self._blocked_since = math.inf
        self._server.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        self._server.connection_lost(exc)
        self._ended()

    def await_request(self) -> None:
        """Give the client time for the next header."""
        self._deadline = asyncio.get_running_loop().time() + self._limits.idle_seconds

    def begin_request(self) -> None:
        """Take the time that the request takes."""
        self._deadline = math.inf

    async def written(self) -> None:
        """Wait until the client has read nearly all."""
        await self._writable.wait()

    def close_overdue(self, now: float) -> None:
        """End the connection when its client does not send, or does not read."""
        if self._transport is None:
            return
        if now >= self._deadline or now - self._blocked_since >= self._limits.write_seconds:
            self._transport.abort()


class Connections:
    """Accepts at a listening socket. make_protocol: makes the HTTP server's protocol for a connection."""

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        limits: ConnectionLimits,
    ) -> None:
        self._listening = listening
        self._make_protocol = make_protocol
        self._limits = limits
        self._by_user: Counter[int] = Counter()
        self._open: set[Connection] = set()
        self._starting: set[asyncio.Task[object]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._resuming: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._sweeping = asyncio.create_task(self._sweep())
        self._resume()

    def close(self) -> None:
        """Accept no more."""
        asyncio.get_running_loop().remove_reader(self._listening)
        for waiting in (self._sweeping, self._resuming):
            if waiting is not None:
                waiting.cancel()

    def _resume(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _pause(self, reason: str) -> None:
        """Wait a moment: a socket that cannot be accepted stays readable, and the event loop would spin."""
        log.error("connections are not accepted for %g s: %s", _PAUSE_SECONDS, reason)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        self._resuming = loop.call_later(_PAUSE_SECONDS, self._resume)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error.strerror or "no resources")
                    return
                continue  # the client has left
            self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        uid = peer_credentials(connection).uid
        if refusal := self._refusal(uid):
            log.warning("a connection of uid %d was refused: %s", uid, refusal)
            _refuse(connection, refusal)
            return
        self._by_user[uid] += 1
        admitted = Connection(self._make_protocol(), self._limits, lambda: self._forget(uid, admitted))
        self._open.add(admitted)
        loop = asyncio.get_running_loop()
        starting: asyncio.Task[object] = loop.create_task(
            loop.connect_accepted_socket(lambda: admitted, connection)
        )
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    def _refusal(self, uid: int) -> str:
        if is_unlimited(uid):
            return ""
        mine = self._by_user[uid]
        if mine >= self._limits.each:
            return f"this user has {mine} connections already; close some and try again"
        taken = sum(count for user, count in self._by_user.items() if not is_unlimited(user))
        left = self._limits.together - taken
        if left <= 0:
            return f"all users have {taken} connections already; try again later"
        if mine >= left:  # so the next user finds some, however many users take what they can
            return f"all users have {taken} connections, and this one {mine}; close some and try again"
        return ""

    def _forget(self, uid: int, connection: Connection) -> None:
        self._open.discard(connection)
        self._by_user[uid] -= 1
        if not self._by_user[uid]:
            del self._by_user[uid]

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for connection in list(self._open):
                connection.close_overdue(now)


def _refuse(connection: socket.socket, reason: str) -> None:
    """Answer 503 without waiting for the request, and close."""
    body = encode(ErrorAnswer(ErrorDetails(f"connection refused: {reason}")))
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with connection, contextlib.suppress(OSError):
        connection.send(head.encode() + body)
