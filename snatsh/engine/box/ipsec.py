# SPDX-License-Identifier: Apache-2.0
"""IPsec policies of the kernel (xfrm), which packets meet in the stack only."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from snatsh.datapath.netlink import dump
from snatsh.model.box import Bypass
from snatsh.model.values import Address, Prefix

_XFRM, _NEW_POLICY, _GET_POLICY = 6, 0x13, 0x15
_POLICY = struct.Struct("=16s16s 8x H BB 4x II 96x 8x BB 6x")
"""Of struct xfrm_userpolicy_info: addresses, family, prefix lengths; direction and action."""
_OUT, _ALLOW = 1, 0
_SECONDS = 2.0


def bypassed() -> Iterator[Bypass]:
    """Yield the policies for packets that leave."""
    try:
        found = list(_policies())
    except OSError:
        return  # no xfrm in this kernel
    for source, destination in dict.fromkeys(found):
        what = f"the IPsec policy from {source} to {destination}"
        yield Bypass("ipsec policy", what, source=source, destination=destination)


def _policies() -> Iterator[tuple[Prefix, Prefix]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _XFRM) as netlink:
        netlink.settimeout(_SECONDS)
        for kind, body in dump(netlink, _GET_POLICY, b""):
            if kind == _NEW_POLICY and (policy := _policy(body)):
                yield policy


def _policy(body: bytes) -> tuple[Prefix, Prefix] | None:
    destination, source, family, destination_bits, source_bits, *_, direction, action = _POLICY.unpack_from(
        body
    )
    if family != socket.AF_INET or direction != _OUT or action != _ALLOW:
        return None
    return _prefix(source, source_bits), _prefix(destination, destination_bits)


def _prefix(address: bytes, bits: int) -> Prefix:
    return Prefix((Address(address[:4]), bits), strict=False)
