# SPDX-License-Identifier: Apache-2.0
"""What a user who may only look does to snatd. Run as that user with SOCKET ATTACK; prints `ready`."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

Answers = list[bytes]


def connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.settimeout(0.05)
    return connection


def idle(path: str) -> list[socket.socket]:
    """1,100 connections that send nothing, or half a header."""
    held = [connected(path) for _ in range(1_100)]
    for connection in held[::2]:
        try:
            connection.send(b"GET /v1/version HT")
        except OSError:
            continue
    return held


def bodies(path: str) -> list[socket.socket]:
    """100 files of the largest size, all but their last bytes."""
    head = b"PUT /v1/files/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % ((4 << 20) - 1024)
    held = []
    for _ in range(100):
        connection = connected(path)
        held.append(connection)
        try:
            connection.sendall(head + b'{"content": "' + b"x" * ((4 << 20) - 65_536))
        except OSError:
            continue
    return held


def readers(path: str) -> list[socket.socket]:
    """60 listings of every flow that nobody reads."""
    held = []
    for _ in range(60):
        connection = connected(path)
        held.append(connection)
        try:
            connection.sendall(b"GET /v1/flows?limit=1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        except OSError:
            continue
    return held


def storm(path: str) -> list[socket.socket]:
    """Connections and malformed requests without end."""

    def knock() -> None:
        while True:
            try:
                with connected(path) as connection:
                    connection.sendall(b"NONSENSE\r\n\r\n")
                    connection.recv(1)
            except OSError:
                continue

    for _ in range(8):
        threading.Thread(target=knock, daemon=True).start()
    return []


def audit(path: str) -> list[socket.socket]:
    """3,600 commands of 16 kB for the audit log, or as many as can be got rid of in three seconds."""
    body = b'{"command": "%s", "failed": false}' % ("\\u20ac" * 2_700).encode()
    request = b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    end = time.monotonic() + 3

    def post() -> None:
        with connected(path) as connection:
            connection.settimeout(10)
            for _ in range(225):
                if time.monotonic() > end:
                    return
                connection.sendall(request)
                connection.recv(4096)

    threads = [threading.Thread(target=post) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return []


ATTACKS: dict[str, Callable[[str], list[socket.socket]]] = {
    attack.__name__: attack for attack in (idle, bodies, readers, storm, audit)
}

if __name__ == "__main__":
    _held = ATTACKS[sys.argv[2]](sys.argv[1])
    print("ready", flush=True)
    sys.stdin.read()
