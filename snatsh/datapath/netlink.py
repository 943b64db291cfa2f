# SPDX-License-Identifier: Apache-2.0
"""Framing of netlink messages, where a netlink library would be too much."""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")
"""length, type, flags, sequence, port"""

ATTRIBUTE = struct.Struct("=HH")
"""length, type"""

_TYPE_MASK = 0x3FFF


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
