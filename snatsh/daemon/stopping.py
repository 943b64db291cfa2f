# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and SIGINT: an orderly stop, and an end in any case.

Threads cannot be interrupted, and one that waits for the kernel would delay the exit until systemd kills it.
A snatd that ends at any moment loses nothing, so the stop has a limit.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import traceback
from types import FrameType

log = logging.getLogger(__name__)

SECONDS = 6.0
"""From the first signal to the end."""


def stop_on_signals(stop: asyncio.Event, seconds: float = SECONDS) -> None:
    """Set the event at the first signal, and end the process if it is still there so many seconds later."""
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGALRM, _end)

    def begin() -> None:
        stop.set()
        if signal.getitimer(signal.ITIMER_REAL)[0] == 0:
            signal.setitimer(signal.ITIMER_REAL, seconds)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, begin)


def _end(_number: int, _frame: FrameType | None) -> None:
    log.warning("stopped without waiting for %s; the datapath keeps running", ", ".join(_busy()))
    logging.shutdown()
    os._exit(0)


def _busy() -> list[str]:
    """Name the threads that are left, with the function each is in."""
    frames = sys._current_frames()
    others = [one for one in threading.enumerate() if one is not threading.main_thread() and one.ident]
    found = [f"{one.name} in {traceback.extract_stack(frames[one.ident or 0])[-1].name}" for one in others]
    return found or ["nothing"]
