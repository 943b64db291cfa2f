# SPDX-License-Identifier: Apache-2.0
"""Native XDP support by driver, from the netdev generic netlink family (Linux 6.3 and later).

Not all that a driver claims works. Hosts on the same machine leave checksums to their veth, which passes the
frames on without; a redirect forgets that they are missing, and the receiver drops what it gets.
"""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass
from typing import Any

from snatsh.datapath.netlink import ATTRIBUTE, HEADER, attributes_in, dump, messages_in

_GENERIC = 16
_GENL = struct.Struct("=BBH")
_REQUEST = 0x1
_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_DEVICE_GET, _DEVICE_INDEX, _DEVICE_XDP_FEATURES = 1, 1, 3
_BASIC, _REDIRECT, _NDO_XMIT = 0x1, 0x2, 0x4
_SECONDS = 2.0
_SOFTWARE = frozenset({"veth", "tun"})


@dataclass(frozen=True, slots=True)
class XdpSupport:
    """native: programs run in the driver and may redirect. takes_redirects: frames may be redirected into it.

    Some drivers take redirects only while they have a program; a veth, if its other end has GRO or a program.
    """

    native: bool
    takes_redirects: bool


def is_software(link: Any) -> bool:
    """Whether a link carries frames of this machine, whose checksums may not be filled in."""
    return link.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") in _SOFTWARE


def xdp_support() -> dict[int, XdpSupport] | None:
    """Return by interface index what its driver supports; None if unknown."""
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
    body = _GENL.pack(_GET_FAMILY, 1, 0) + attribute
    netlink.send(HEADER.pack(HEADER.size + len(body), _CONTROLLER, _REQUEST, 1, 0) + body)
    for kind, answer in messages_in(netlink.recv(1 << 16)):
        if kind == _CONTROLLER:
            found = dict(attributes_in(answer[_GENL.size :]))
            return int.from_bytes(found[_FAMILY_ID], sys.byteorder)
    return None


def _devices(netlink: socket.socket, family: int) -> dict[int, XdpSupport]:
    devices: dict[int, XdpSupport] = {}
    for _, body in dump(netlink, family, _GENL.pack(_DEVICE_GET, 1, 0)):
        found = dict(attributes_in(body[_GENL.size :]))
        index = int.from_bytes(found[_DEVICE_INDEX], sys.byteorder)
        features = int.from_bytes(found.get(_DEVICE_XDP_FEATURES, b""), sys.byteorder)
        native = features & (_BASIC | _REDIRECT) == _BASIC | _REDIRECT
        devices[index] = XdpSupport(native, bool(features & _NDO_XMIT))
    return devices
