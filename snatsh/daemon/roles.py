# SPDX-License-Identifier: Apache-2.0
"""Roles of the users that connect: the kernel identifies the peer of a Unix socket."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from snatsh.api.system import RoleName
from snatsh.engine.peer_credentials import PeerSocket, peer_credentials
from snatsh.model.errors import SnatshError

ADMIN_GROUP = "snatsh-admin"
OPERATOR_GROUP = "snatsh-operator"
VIEW_GROUP = "snatsh"

_SO_PEERGROUPS = 59
_MOST_BYTES = 1024


class Role(IntEnum):
    """Each role includes those below it."""

    VIEW = 0
    OPERATOR = 1
    ADMIN = 2

    @property
    def label(self) -> RoleName:
        return _LABELS[self]


_LABELS: dict[Role, RoleName] = {Role.VIEW: "view", Role.OPERATOR: "operator", Role.ADMIN: "admin"}


class Forbidden(SnatshError):
    """The request needs a higher role."""

    def __init__(self, peer: Peer, needed: Role) -> None:
        group = {Role.ADMIN: ADMIN_GROUP, Role.OPERATOR: OPERATOR_GROUP, Role.VIEW: VIEW_GROUP}[needed]
        super().__init__(
            f"{peer.user} has the role {peer.role.label}; this needs {needed.label}: "
            f"ask for membership in the group {group}"
        )


@dataclass(frozen=True, slots=True)
class Peer:
    pid: int
    uid: int
    user: str
    role: Role

    def require(self, needed: Role) -> None:
        if self.role < needed:
            raise Forbidden(self, needed)


def peer_of(connection: PeerSocket) -> Peer:
    """Identify the peer of a connection."""
    pid, uid, gid = peer_credentials(connection)
    user = user_name(uid)
    return Peer(pid, uid, user, role_of(uid, {gid, *_groups(connection, user, gid)}))


def role_of(uid: int, groups: set[int]) -> Role:
    """Return the highest role that a uid and its groups grant."""
    if uid in (0, os.geteuid()):
        return Role.ADMIN
    for name, role in ((ADMIN_GROUP, Role.ADMIN), (OPERATOR_GROUP, Role.OPERATOR)):
        if group_id(name) in groups:
            return role
    return Role.VIEW


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_id(name: str) -> int | None:
    """Return the id of a group, or None if it does not exist."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam(name).gr_gid
    return None


def _groups(connection: PeerSocket, user: str, gid: int) -> list[int]:
    """Return the supplementary groups of the peer at the time it connected."""
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:  # more groups than the buffer holds
        return os.getgrouplist(user, gid)
    return list(struct.unpack(f"={len(packed) // 4}I", packed))
