# SPDX-License-Identifier: Apache-2.0
"""Commits, consoles and cut cables at once under traffic; at the end every gauge is back at zero."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.chaos.gauges import Gauges, read_gauges
from tests.e2e.harness import VIA_A, VIA_B, Gateway, no_leak
from tests.e2e.link_failures import OWN, cable_down, commit, with_monitors

CONSOLE = ("show flows summary", "show pools", "show links", "show rules", "show system alarms", "show log")


class Worker:
    """Repeats one step in a thread. The first error ends it and fails the test."""

    def __init__(self, name: str, step: Callable[[], None], pause: float) -> None:
        self.name = name
        self.rounds = 0
        self._step = step
        self._pause = pause
        self._error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise AssertionError(f"{self.name} failed after {self.rounds} rounds") from self._error

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause):
                self._step()
                self.rounds += 1
        except BaseException as error:
            self._error = error


def cut_cable(gateway: Gateway, choice: random.Random) -> None:
    repair = cable_down(gateway, choice.choice(("isp-a", "isp-b")))
    time.sleep(choice.uniform(0.2, 2))
    repair()


def commit_again(gateway: Gateway, choice: random.Random) -> None:
    wanted = with_monitors(gateway.hook)
    wanted["rules"]["10"]["pool"] = choice.choice("ac")
    wanted["rules"]["20"]["pool"] = choice.choice("bd")
    commit(gateway, wanted)


@pytest.mark.timeout(3600)
def test_gauges_return_to_zero(gateway: Gateway, choice: random.Random, seconds: float) -> None:
    snatd = gateway.snatd
    commit(gateway, with_monitors(gateway.hook))
    program = (sys.executable, "-m", "snatsh.lab.traffic", VIA_A, VIA_B, "--interval", "0.01")
    with no_leak(gateway.lab, OWN), ExitStack() as stack:
        traffic = [
            gateway.lab.spawn(client, *program, log=f"{client}.log") for client in ("client-a", "client-b")
        ]
        snatd.wait_flows({"tcp", "udp", "icmp"})
        workers = [
            stack.enter_context(Worker(name, step, pause))
            for name, step, pause in (
                ("commits", lambda: commit_again(gateway, choice), 0.3),
                ("consoles", lambda: (snatd.shell(choice.choice(CONSOLE)), None)[1], 0.2),
                ("cuts", lambda: cut_cable(gateway, choice), 4.0),
            )
        ]
        time.sleep(seconds)
        assert read_gauges(snatd.client) != Gauges(0, 0, 0)
        stack.close()
        for run in traffic:
            run.send_signal(signal.SIGTERM)
            run.wait(15)
    print(gateway.hook, *(f"{worker.rounds} {worker.name}" for worker in workers))
    assert all(worker.rounds for worker in workers)
    snatd.client.end_flows()
    assert read_gauges(snatd.client) == Gauges(0, 0, 0)
    assert "Traceback" not in snatd.log.read_text(errors="replace")
