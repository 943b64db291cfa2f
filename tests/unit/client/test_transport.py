# SPDX-License-Identifier: Apache-2.0
"""How the client takes a server that is gone, refuses, lies, drips or never ends; a real one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import web

from snatsh.api.configuration import Statement
from snatsh.client import Busy, Client, Garbled, Refused, Rejected, ServerGone, TimedOut
from snatsh.model.errors import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[bytes], Client]


class Serve(Protocol):
    def __call__(self, handler: Handler, **options: Any) -> Client: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve a handler for every path on a Unix socket; a client of it."""
    with contextlib.ExitStack() as stack:

        def start(handler: Handler, **options: Any) -> Client:
            path = tmp_path / "snatd.sock"
            loop = asyncio.new_event_loop()
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            loop.run_until_complete(runner.setup())
            loop.run_until_complete(web.UnixSite(runner, str(path)).start())
            thread = threading.Thread(target=loop.run_forever)
            thread.start()

            def stop() -> None:
                asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()

            stack.callback(stop)
            return Client(path, **options)

        yield start


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Raw]:
    """A socket whose one connection gets the given bytes and is closed."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = tmp_path / "raw.sock"
    listener.bind(str(path))
    listener.listen()
    threads = []

    def start(answer: bytes) -> Client:
        def answer_once() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        threads.append(threading.Thread(target=answer_once))
        threads[-1].start()
        return Client(path, timeout=5)

    yield start
    for thread in threads:
        thread.join()
    listener.close()


def error(status: int, **fields: object) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "not so", **fields}}, status=status)

    return handler


def test_listing_filters_are_sent(serve: Serve) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.path_qs)
        return web.json_response({"flows": [], "total": 0, "matched": 0, "capacity": 0})

    serve(handler).flows({"source": "10.0.0.0/8", "port": 53}, limit=7, sort="bytes")
    assert seen == ["/v1/flows?limit=7&source=10.0.0.0%2F8&port=53&sort=bytes"]


def test_missing_socket(tmp_path: Path) -> None:
    path = tmp_path / "none.sock"
    with pytest.raises(
        ServerGone, match=rf"no snatd answers at {path} .*start it with: snatd --socket {path}"
    ):
        Client(path).version()


def test_stale_socket(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(ServerGone, match="Connection refused"):
        Client(path).version()


def test_socket_path_too_long(tmp_path: Path) -> None:
    with pytest.raises(ServerGone, match="too long"):
        Client(tmp_path / ("x" * 200)).version()


def test_status_403_is_refused(serve: Serve) -> None:
    with pytest.raises(Refused, match="not so"):
        serve(error(403)).end_flows()


def test_rejection_carries_all_error_fields(serve: Serve) -> None:
    problems = [{"path": ["rules", "10"], "value": "x", "reason": "no", "severity": "warning"}]
    handler = error(422, problems=problems, index=2, statement=1, expected=["pool"], names_expected=True)
    with pytest.raises(Rejected, match="not so") as caught:
        serve(handler).edit([Statement("set", ["rules"])])
    assert caught.value.problems == (Problem(("rules", "10"), "x", "no", "warning"),)
    assert (caught.value.index, caught.value.statement, caught.value.expected) == (2, 1, ("pool",))
    assert caught.value.names_expected


def test_status_409_is_busy(serve: Serve) -> None:
    with pytest.raises(Busy):
        serve(error(409)).commit()


@pytest.mark.parametrize("fields", [{"problems": "x", "index": "y", "expected": 3}, {"problems": [3, None]}])
def test_rejection_with_malformed_fields(serve: Serve, fields: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        serve(error(400, **fields)).commit()
    assert (caught.value.problems, caught.value.index, caught.value.expected) == ((), None, ())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"other": 1}', b"[" * 100_000, b"\xff\xfe"])
def test_malformed_answers(serve: Serve, body: bytes) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    with pytest.raises(Garbled):
        serve(handler).pools()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"other": 1}', "missing required field `talkers`"),
        (b'{"talkers": 1}', r"Expected `array`, got `int` - at `\$.talkers`"),
        (b'{"talkers": [{"source": 7}]}', r"at `\$.talkers\[0\].source`"),
        (b'{"talkers": [{"source": "10.0.0.1"}]}', r"missing required field `flows`"),
    ],
)
def test_unexpected_fields_are_named_in_the_error(serve: Serve, body: bytes, says: str) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    with pytest.raises(Garbled, match=f"{says}.*; check that both are of the same release"):
        serve(handler).talkers()


def test_api_version_mismatch(serve: Serve) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": "9", "api": 9, "host_name": "h", "user": "u", "role": "view"})

    with pytest.raises(Garbled, match="speaks API 9"):
        serve(handler).version()


def test_endless_answers_are_cut_off(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65536)
        return response

    with pytest.raises(Garbled, match="longer than 1000000 bytes"):
        serve(handler, answer_limit=1_000_000).pools()


def test_silent_server_times_out(serve: Serve) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    with pytest.raises(TimedOut, match="does not answer GET /v1/pools"):
        serve(handler, timeout=0.3).pools()


def test_slow_answers_do_not_extend_the_deadline(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    started = time.monotonic()
    with pytest.raises(TimedOut):
        serve(handler, timeout=0.4).pools()
    assert time.monotonic() - started < 3


def test_non_http_server(raw: Raw) -> None:
    with pytest.raises(Garbled, match="does not speak HTTP"):
        raw(b"SSH-2.0-OpenSSH_9.2\r\n").pools()


def test_connection_closed_without_an_answer(raw: Raw) -> None:
    with pytest.raises(ServerGone, match="closed the connection"):
        raw(b"").pools()


def test_truncated_answer(raw: Raw) -> None:
    with pytest.raises(ServerGone, match="closed the connection"):
        raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"pools"').pools()
