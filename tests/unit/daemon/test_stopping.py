# SPDX-License-Identifier: Apache-2.0
"""A signal ends the daemon, whatever its threads wait for."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BUSY = """
import asyncio, sys, time
from snatsh.daemon.stopping import stop_on_signals

async def run():
    stop = asyncio.Event()
    stop_on_signals(stop, 0.5)
    asyncio.get_running_loop().run_in_executor(None, time.sleep, float(sys.argv[1]))
    print("ready", flush=True)
    await stop.wait()

asyncio.run(run())
print("in order", flush=True)
"""


@pytest.mark.parametrize(("busy", "said"), [(60.0, ""), (0.0, "in order\n")])
def test_signal_ends_process_within_its_limit(busy: float, said: str) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(busy)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=20)
    finally:
        running.kill()
        running.wait()
    assert (running.returncode, output) == (0, said)
    assert ("stopped without waiting" in errors) == (said == "")
