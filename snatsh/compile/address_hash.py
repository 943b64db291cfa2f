# SPDX-License-Identifier: Apache-2.0
"""Address selection by hash, as lvs-snat does it, so that a client keeps its public address.

lvs-snat uses jhash_3words of Linux 2.6.32 (include/linux/jhash.h, Jenkins' lookup2) over the
addresses in network byte order, read as little-endian words, with initval 0, and takes
`(hash * n) >> 32` as the index into the pool's addresses in order.
"""

from __future__ import annotations

from snatsh.model.values import Address

_MASK = 0xFFFFFFFF
_GOLDEN_RATIO = 0x9E3779B9


def jhash_3words(a: int, b: int, c: int, initval: int = 0) -> int:
    """jhash_3words of Linux 2.6.32 over three 32-bit words; returns 32 bits."""
    a = (a + _GOLDEN_RATIO) & _MASK
    b = (b + _GOLDEN_RATIO) & _MASK
    c = (c + initval) & _MASK
    for right1, left, right2 in ((13, 8, 13), (12, 16, 5), (3, 10, 15)):
        a = ((a - b - c) & _MASK) ^ (c >> right1)
        b = ((b - c - a) & _MASK) ^ ((a << left) & _MASK)
        c = ((c - a - b) & _MASK) ^ (b >> right2)
    return c


def word(address: Address) -> int:
    """The address in network byte order, read as a little-endian word."""
    return int.from_bytes(address.packed, "little")


def ports_word(source_port: int, destination_port: int) -> int:
    """Both ports in network byte order, read as a little-endian word."""
    return int.from_bytes(source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big"), "little")


def source_hash(source: Address, size: int) -> int:
    """Index of the pool address for `source-hash` (lvs-snat `sh`)."""
    return (jhash_3words(word(source), 0, 0) * size) >> 32


def source_destination_hash(source: Address, destination: Address, size: int) -> int:
    """Index of the pool address for `source-destination-hash` (lvs-snat `sdh`)."""
    return (jhash_3words(word(source), word(destination), 0) * size) >> 32


def tuple_hash(
    source: Address, destination: Address, source_port: int, destination_port: int, size: int
) -> int:
    """Index of the pool address for `tuple-hash` (lvs-dpdk `sdfn`); an echo identifier is the source port."""
    ports = ports_word(source_port, destination_port)
    return (jhash_3words(word(source), word(destination), ports) * size) >> 32


LINK_SALT = 0x5A17ED


def subscriber_bucket(source: Address, size: int) -> int:
    """Bucket of a subscriber, for a rule with a link group spread by subscriber."""
    return (jhash_3words(word(source) ^ LINK_SALT, 0, 0) * size) >> 32


def flow_bucket(
    source: Address, destination: Address, source_port: int, destination_port: int, size: int
) -> int:
    """Bucket of a flow, for a rule with a link group spread by flow."""
    ports = ports_word(source_port, destination_port)
    return (jhash_3words(word(source) ^ LINK_SALT, word(destination), ports) * size) >> 32
