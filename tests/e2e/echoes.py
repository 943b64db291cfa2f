# SPDX-License-Identifier: Apache-2.0
"""Echo requests of which none may be lost.

ping's own `packet loss` counts a late reply to the last request as lost: it waits for it only two round
trips or one interval, 10 ms here, which a busy machine exceeds. With `-w` it goes on until all replies are
in, and a lost one shows as a gap.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"bytes from .*icmp_seq=(\d+)")


def ping(address: str, count: int, interval: float, *options: str, seconds: int = 15) -> tuple[str, ...]:
    """The command: `count` replies, requests `interval` seconds apart, at most `seconds`."""
    return ("ping", "-c", str(count), "-i", str(interval), "-w", str(seconds), *options, address)


def lost(output: str, count: int) -> list[int]:
    """Requests of the first `count` that got no reply."""
    return sorted(set(range(1, count + 1)) - {int(sequence) for sequence in _SEQUENCE.findall(output)})
