# SPDX-License-Identifier: Apache-2.0
"""The process at the other end of a Unix socket, as the kernel reports it."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, Protocol

_UCRED = struct.Struct("=iII")


class Credentials(NamedTuple):
    """struct ucred of unix(7)."""

    pid: int
    uid: int
    gid: int


class PeerSocket(Protocol):
    """As much of a socket as asyncio exposes."""

    def getsockopt(self, level: int, name: int, length: int, /) -> bytes: ...


def peer_credentials(connection: PeerSocket) -> Credentials:
    """Read SO_PEERCRED."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(found))
