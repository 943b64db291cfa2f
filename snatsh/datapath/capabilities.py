# SPDX-License-Identifier: Apache-2.0
"""Linux capabilities, as far as loading and attaching BPF programs is concerned."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

_STATUS = Path("/proc/self/status")


class Capability(IntEnum):
    """Numbers of linux/capability.h."""

    KILL = 5
    SETGID = 6
    SETUID = 7
    NET_ADMIN = 12
    NET_RAW = 13
    SYS_ADMIN = 21
    PERFMON = 38
    BPF = 39


def effective() -> int:
    """Return the effective capabilities of the main thread as a bit set."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def holds(capability: Capability) -> bool:
    return bool(effective() & 1 << capability)
