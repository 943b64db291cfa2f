# SPDX-License-Identifier: Apache-2.0
"""snatd killed at any moment under traffic: no packet is lost, and what runs was committed."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from snatsh.client import ClientError
from snatsh.lab.traffic import TrafficReport
from tests.e2e.harness import Gateway, document, no_leak
from tests.e2e.packet_count import SERVER, Count

LONGEST_LIFE = 2.5
"""Seconds from the start of snatd to its end: while it starts, commits, or sits idle."""


class Committer:
    """Commits rule sets in turn for as long as snatd answers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.commits = 0

    def __enter__(self) -> Committer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.05):
            number += 1
            pools = ("a", "b") if number % 2 else ("c", "d")
            with suppress(ClientError):  # snatd is dead
                self._gateway.snatd.client.replace_candidate(document(self._gateway.hook, *pools))
                self._gateway.snatd.client.commit()
                self.commits += 1


@pytest.mark.timeout(3600)
def test_killing_snatd_loses_no_packet(gateway: Gateway, choice: random.Random, seconds: float) -> None:
    snatd, kills = gateway.snatd, 0
    program = (sys.executable, "-m", "snatsh.lab.traffic", SERVER, "--interval", "0.005")
    with no_leak(gateway.lab), ExitStack() as stack:
        count = Count(gateway, stack)
        traffic = gateway.lab.spawn("client-a", *program, log="traffic.log")
        snatd.wait_flows({"tcp", "udp", "icmp"})
        committer = stack.enter_context(Committer(gateway))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(choice.uniform(0, LONGEST_LIFE))
            snatd.kill()
            kills += 1
            if kills % 2:
                snatd.start()
            else:  # killed again before it answers
                snatd.launch()
        snatd.kill()
        snatd.start()
        traffic.send_signal(signal.SIGTERM)
        traffic.wait(15)
        sent = count.sent()
        count.assert_all_came(least=int(seconds * 100))
    report = TrafficReport.from_json((gateway.lab.folder / "traffic.log").read_text())
    for kind in (report.udp, report.ping, report.tcp, report.http):
        assert kind.errors == []
    print(f"{gateway.hook}: {kills} kills, {committer.commits} commits, 0 of {sent} packets lost")
    assert committer.commits > kills
    running = snatd.client.configuration()
    assert [running["rules"][number]["pool"] for number in ("10", "20")] in (["a", "b"], ["c", "d"])
    assert "Traceback" not in snatd.log.read_text(errors="replace")
