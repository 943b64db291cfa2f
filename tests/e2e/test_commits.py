# SPDX-License-Identifier: Apache-2.0
"""Commits under traffic: no packet is lost and none leaves untranslated."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from snatsh.lab.traffic import TrafficReport
from tests.e2e.harness import Gateway, addresses, document, no_leak
from tests.e2e.packet_count import SERVER, Count

pytestmark = pytest.mark.serial

COMMITS = 200
VIA_B = "203.0.113.9"


@pytest.fixture(autouse=True)
def back_again(gateway: Gateway) -> Iterator[None]:
    """Each test begins with the rules of the start, and without flows."""
    yield
    gateway.reset()
    gateway.snatd.client.end_flows()


def commit_in_turns(gateway: Gateway) -> None:
    """All commits, each of the rule set that is not running."""
    client = gateway.snatd.client
    for number in range(COMMITS):
        client.replace_candidate(document(gateway.hook, *(("a", "b") if number % 2 else ("c", "d"))))
        assert client.commit().ended_flows == 0
        time.sleep(0.01)


def test_200_commits_under_traffic_lose_no_packet(gateway: Gateway) -> None:
    snatd = gateway.snatd
    with no_leak(gateway.lab), ExitStack() as stack:
        count = Count(gateway, stack)
        program = (sys.executable, "-m", "snatsh.lab.traffic", SERVER, VIA_B, "--interval", "0.01")
        traffic = gateway.lab.spawn("client-a", *program, log="traffic.log")
        iperf3 = ("iperf3", "--client", SERVER, "--udp", "--bitrate", "8M", "--length", "200", "--time", "60")
        stream = gateway.lab.spawn("client-a", *iperf3, log="iperf3.log")
        snatd.wait_flows({"tcp", "udp", "icmp"})
        drops = gateway.drops()
        commit_in_turns(gateway)
        stream.send_signal(signal.SIGINT)
        traffic.send_signal(signal.SIGTERM)
        traffic.wait(10)
        stream.wait(10)
        time.sleep(0.2)
        count.assert_all_came()

    report = TrafficReport.from_json((gateway.lab.folder / "traffic.log").read_text())
    for kind in (report.udp, report.ping, report.tcp, report.http):
        assert kind.errors == []
        assert kind.sent > COMMITS / 20
        assert kind.sent - kind.answered <= count.cut()
    assert report.tcp.retransmitted <= count.cut()
    assert gateway.drops() == drops
    # Both rule sets were at work: new connections came by the one and the other.
    seen = {source.partition(":")[0] for source in report.http.sources}
    assert all(seen & addresses(pool) for pool in "abcd")


def test_established_flows_keep_their_address(gateway: Gateway) -> None:
    client = gateway.snatd.client
    program = (sys.executable, "-m", "snatsh.lab.traffic", "8.8.8.8", "--interval", "0.01")
    traffic = gateway.lab.spawn("client-a", *program, log="established.log")
    gateway.snatd.wait_flows({"tcp", "udp", "icmp"})
    gateway.commit("set rules 10 pool c")
    time.sleep(0.5)
    rows = client.flows({"port": 7}, limit=100).flows
    assert rows
    assert {row.mapped for row in rows} <= addresses("a")
    traffic.send_signal(signal.SIGTERM)
    traffic.wait(10)
    report = TrafficReport.from_json((gateway.lab.folder / "established.log").read_text())
    assert report.tcp.errors == []
    assert report.tcp.answered == report.tcp.sent


def test_refused_commit_changes_nothing(gateway: Gateway) -> None:
    before = gateway.snatd.shell("show system commit").stdout
    flows = gateway.client.run("curl", "-sS", "--max-time", "10", "http://8.8.8.8/").stdout
    done = gateway.snatd.shell("configure", "set rules 30 pool nowhere", "commit", check=False)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    gateway.snatd.client.rollback(0)
    assert gateway.snatd.shell("show system commit").stdout == before
    again = gateway.client.run("curl", "-sS", "--max-time", "10", "http://8.8.8.8/").stdout
    assert flows.split()[0] == again.split()[0]
