# SPDX-License-Identifier: Apache-2.0
"""Shares of users, clients that do not send or read, descriptors that run out, and the bound of the log."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from snatsh.daemon.access import connections, shares
from snatsh.daemon.access.connections import ConnectionLimits, Connections
from snatsh.daemon.access.log_limit import LogLimit
from snatsh.daemon.access.shares import BodyMemory, Overloaded, ShareLimits, TooMuch, Turns
from snatsh.engine.peer_credentials import Credentials

ALICE, BOB, CAROL = 7001, 7002, 7003


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits hold for the user who runs the tests, too."""
    monkeypatch.setattr(connections, "is_unlimited", lambda uid: False)
    monkeypatch.setattr(shares, "LIMITS", ShareLimits(patience=0.05))


def test_requests_are_limited_per_user_and_in_total() -> None:
    async def run() -> None:
        turns = Turns("listings", each=2, together=3)
        async with turns.turn(ALICE), turns.turn(ALICE):
            with pytest.raises(TooMuch):
                async with turns.turn(ALICE):
                    pass
            async with turns.turn(BOB):
                with pytest.raises(Overloaded):
                    async with turns.turn(CAROL):
                        pass
                async with turns.turn(0):
                    pass
        async with turns.turn(CAROL), turns.turn(CAROL):
            pass

    asyncio.run(run())


def test_memory_of_request_bodies_is_limited() -> None:
    memory = BodyMemory(ShareLimits(body_bytes=10, all_body_bytes=15))
    memory.take(ALICE, 10)
    with pytest.raises(TooMuch):
        memory.take(ALICE, 1)
    memory.take(BOB, 5)
    with pytest.raises(Overloaded):
        memory.take(BOB, 1)
    memory.take(0, 1000)
    memory.free(ALICE, 10)
    memory.take(BOB, 5)


class Talker(asyncio.Protocol):
    """Says more than fits into the buffers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"x" * (8 << 20))


def serve(
    path: Path, limits: ConnectionLimits, protocol: type[asyncio.Protocol], act: Callable[[], Awaitable[None]]
) -> None:
    async def run() -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()
            listening.setblocking(False)
            served = Connections(listening, protocol, limits)
            served.start()
            await act()
            served.close()

    asyncio.run(run())


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(path))
    return connection


async def received(connection: socket.socket) -> bytes:
    return await asyncio.to_thread(connection.recv, 4096)


@pytest.mark.parametrize("protocol", [asyncio.Protocol, Talker])
def test_stalled_clients_are_disconnected(tmp_path: Path, protocol: type[asyncio.Protocol]) -> None:
    path = tmp_path / "socket"
    idle = 0.1 if protocol is asyncio.Protocol else 60
    limits = ConnectionLimits(idle_seconds=idle, write_seconds=0.1)

    async def act() -> None:
        with connect(path) as connection:
            await asyncio.sleep(1.5)
            connection.setblocking(False)
            got = 0
            while chunk := connection.recv(1 << 20):  # BlockingIOError: it is still open
                got += len(chunk)
            assert got < 8 << 20

    serve(path, limits, protocol, act)


def test_connections_above_the_limit_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    async def act() -> None:
        first = connect(path)
        await asyncio.sleep(0.05)
        with connect(path) as second:
            answer = await received(second)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b'"message":"connection refused: this user has 1 connections' in answer
        first.close()
        await asyncio.sleep(0.05)
        with connect(path) as third:
            third.settimeout(0.2)
            with pytest.raises(TimeoutError):
                await received(third)

    serve(path, ConnectionLimits(each=1), asyncio.Protocol, act)


def test_users_together_leave_connections_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many users as it takes for each one's share to add up to all connections."""
    users: deque[int] = deque()
    monkeypatch.setattr(connections, "peer_credentials", lambda _: Credentials(1, users.popleft(), 1))
    path = tmp_path / "socket"

    async def act() -> None:
        async def admitted(user: int) -> bool:
            users.append(user)
            connection = stack.enter_context(connect(path))
            await asyncio.sleep(0)
            while users:
                await asyncio.sleep(0.001)
            connection.setblocking(False)
            try:
                return not connection.recv(4096)
            except BlockingIOError:
                return True

        with ExitStack() as stack:
            held = [0, 0, 0, 0]
            for user in range(4):
                while await admitted(ALICE + user):
                    held[user] += 1
            assert held == [4, 4, 4, 2]
            assert await admitted(ALICE + 4), "the first connection of another user"

    serve(path, ConnectionLimits(each=4, together=16), asyncio.Protocol, act)


def test_accepting_pauses_while_descriptors_are_exhausted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "socket"
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def act() -> None:
        with connect(path) as connection:
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
            try:
                await asyncio.sleep(0.7)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            paused = [record for record in caplog.records if "not accepted" in record.getMessage()]
            assert 1 <= len(paused) <= 4
            assert await received(connection)

    serve(path, ConnectionLimits(), Talker, act)


def test_log_messages_of_one_kind_are_rate_limited() -> None:
    limit = LogLimit(burst=3, per_second=0)
    lines = [
        logging.LogRecord("a", logging.INFO, "a.py", 7, "line %d", (number,), None) for number in range(9)
    ]
    assert [limit.filter(line) for line in lines] == [True] * 3 + [False] * 6
    assert limit.filter(lines[0]), "several handlers ask about the same record"
    assert limit.filter(logging.LogRecord("a", logging.INFO, "a.py", 8, "another", (), None))
