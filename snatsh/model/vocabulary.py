# SPDX-License-Identifier: Apache-2.0
"""Names of protocols and flow states, shared by configuration, daemon and consoles."""

from __future__ import annotations

from typing import Literal

ProtocolName = Literal["tcp", "udp", "icmp"]
PROTOCOL_NUMBERS: dict[str, int] = {"tcp": 6, "udp": 17, "icmp": 1}
PROTOCOLS = tuple(PROTOCOL_NUMBERS)
PROTOCOL_NAMES = {number: name for name, number in PROTOCOL_NUMBERS.items()}
FLOW_STATES = ("unreplied", "established", "transitory", "time-wait")
