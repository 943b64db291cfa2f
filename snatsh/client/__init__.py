# SPDX-License-Identifier: Apache-2.0
"""Blocking client of snatd, for every console. It imports in milliseconds."""

from __future__ import annotations

from snatsh.client.configuration import ConfigurationCalls
from snatsh.client.errors import (
    Busy,
    ClientError,
    ConfirmsOthers,
    Garbled,
    Refused,
    Rejected,
    ServerGone,
    TimedOut,
)
from snatsh.client.live import LiveCalls
from snatsh.client.state import StateCalls
from snatsh.client.system import SystemCalls
from snatsh.client.transport import ANSWER_LIMIT, DEFAULT_SOCKET, socket_path


class Client(ConfigurationCalls, StateCalls, LiveCalls, SystemCalls):
    """All of snatd's API."""


__all__ = [
    "ANSWER_LIMIT",
    "DEFAULT_SOCKET",
    "Busy",
    "Client",
    "ClientError",
    "ConfirmsOthers",
    "Garbled",
    "Refused",
    "Rejected",
    "ServerGone",
    "TimedOut",
    "socket_path",
]
