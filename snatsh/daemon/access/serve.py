# SPDX-License-Identifier: Apache-2.0
"""Serve the API at a socket, within limits."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from snatsh.daemon.access.connections import Connections, raise_descriptor_limit

_SHUTDOWN_SECONDS = 2.0


class Server:
    """Serves an application at a listening socket from `start` to `close`."""

    def __init__(self, application: web.Application, listening: socket.socket) -> None:
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._connections = Connections(listening, self._make_protocol, raise_descriptor_limit())

    async def start(self) -> None:
        await self._runner.setup()
        self._connections.start()

    async def close(self) -> None:
        """End the connections; requests that are being handled have two seconds."""
        self._connections.close()
        await self._runner.cleanup()

    def _make_protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None:
            raise AssertionError("expected a server that was started")
        return server()
