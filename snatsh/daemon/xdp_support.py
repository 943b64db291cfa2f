# SPDX-License-Identifier: Apache-2.0
"""Native XDP support by driver, from the netdev generic netlink family (Linux 6.3 and later)."""

from __future__ import annotations

import socket
import struct
import sys

from snatsh.engine.host.netlink import ATTRIBUTE, HEADER, attributes_in, messages_in

_GENERIC = 16
_GENL = struct.Struct("=BBH")
_REQUEST, _DUMP = 0x1, 0x300
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_DEVICE_GET, _DEVICE_INDEX, _DEVICE_XDP_FEATURES = 1, 1, 3
_ERROR, _DONE = 2, 3
_BASIC_AND_REDIRECT = 0x1 | 0x2
_SECONDS = 2.0


def native_xdp() -> dict[int, bool] | None:
    """Return by interface index whether its driver supports XDP with redirect; None if unknown."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as netlink:
            netlink.settimeout(_SECONDS)
            family = _family(netlink)
            return None if family is None else _devices(netlink, family)
    except OSError:
        return None


def _family(netlink: socket.socket) -> int | None:
    name = b"netdev\0"
    attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(name), _FAMILY_NAME) + name + b"\0"
    _send(netlink, _CONTROLLER, _REQUEST, _GET_FAMILY, attribute)
    for kind, body in messages_in(netlink.recv(1 << 16)):
        if kind == _CONTROLLER:
            found = dict(attributes_in(body[_GENL.size :]))
            return int.from_bytes(found[_FAMILY_ID], sys.byteorder)
    return None


def _devices(netlink: socket.socket, family: int) -> dict[int, bool]:
    _send(netlink, family, _REQUEST | _DUMP, _DEVICE_GET, b"")
    devices: dict[int, bool] = {}
    while True:
        for kind, body in messages_in(netlink.recv(1 << 16)):
            if kind in (_ERROR, _DONE):
                return devices
            found = dict(attributes_in(body[_GENL.size :]))
            index = int.from_bytes(found[_DEVICE_INDEX], sys.byteorder)
            features = int.from_bytes(found.get(_DEVICE_XDP_FEATURES, b""), sys.byteorder)
            devices[index] = features & _BASIC_AND_REDIRECT == _BASIC_AND_REDIRECT


def _send(netlink: socket.socket, kind: int, flags: int, command: int, attributes: bytes) -> None:
    body = _GENL.pack(command, 1, 0) + attributes
    netlink.send(HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body)
