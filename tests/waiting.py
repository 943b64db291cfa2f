# SPDX-License-Identifier: Apache-2.0
"""Waits for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.01


def wait(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until the condition holds; the test fails when it does not within this time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(POLL_SECONDS)
