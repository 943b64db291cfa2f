# SPDX-License-Identifier: Apache-2.0
"""Require the capabilities that snatd needs and drop all others."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from pathlib import Path

from snatsh.datapath.capabilities import Capability, effective
from snatsh.model.errors import SnatshError

NEEDED = (Capability.BPF, Capability.NET_ADMIN, Capability.NET_RAW, Capability.PERFMON)
"""BPF maps and programs; attaching; gratuitous ARP and probes; programs that use pointers."""

_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38


class NotPrivileged(SnatshError):
    """snatd was started without a capability it needs."""


def missing() -> list[str]:
    """Return the names of the needed capabilities that are not held."""
    held = effective()
    return [f"CAP_{needed.name}" for needed in NEEDED if not held & 1 << needed]


def require() -> None:
    lacking = missing()
    if lacking:
        who = "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
        raise NotPrivileged(f"{who} lacks {', '.join(lacking)}; start snatd as root")


def drop(wanted: Collection[Capability] = NEEDED) -> None:
    """Drop all capabilities but the wanted ones, for good. Threads that exist already keep theirs."""
    libc = ctypes.CDLL(None, use_errno=True)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        if number not in wanted:
            # Fails without CAP_SETPCAP, and then there is nothing to drop either.
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kept = sum(1 << one for one in wanted)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    words = (kept & 0xFFFFFFFF, kept >> 32)
    # Effective, permitted, inheritable: the low words, then the high words.
    data = (ctypes.c_uint32 * 6)(words[0], words[0], 0, words[1], words[1], 0)
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset: " + os.strerror(ctypes.get_errno()))
