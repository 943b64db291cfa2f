# SPDX-License-Identifier: Apache-2.0
"""Framing of netlink messages, where a netlink library would be too much."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")
"""length, type, flags, sequence, port"""

ATTRIBUTE = struct.Struct("=HH")
"""length, type"""

_TYPE_MASK = 0x3FFF
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3


def dump(netlink: socket.socket, kind: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Ask for all objects; yield type and body of each message. Raises OSError when the kernel refuses."""
    netlink.send(HEADER.pack(HEADER.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
    while True:
        for answer, content in messages_in(netlink.recv(1 << 16)):
            if answer == _DONE:
                return
            if answer == _ERROR:
                code = -struct.unpack_from("=i", content)[0]
                raise OSError(code, os.strerror(code))
            yield answer, content


def messages_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message in a datagram."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield kind, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of each attribute."""
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
