# SPDX-License-Identifier: Apache-2.0
"""Names of protocols and flow states, and classes of ports, shared by configuration, daemon and consoles."""

from __future__ import annotations

from typing import Literal

ProtocolName = Literal["tcp", "udp", "icmp"]
PROTOCOL_NUMBERS: dict[str, int] = {"tcp": 6, "udp": 17, "icmp": 1}
PROTOCOLS = tuple(PROTOCOL_NUMBERS)
PROTOCOL_NAMES = {number: name for name, number in PROTOCOL_NUMBERS.items()}
FIRST_HIGH_PORT = 1024  # below it, the well-known ports (RFC 4787, REQ-3a)
FLOW_STATES = ("unreplied", "established", "transitory", "time-wait")
