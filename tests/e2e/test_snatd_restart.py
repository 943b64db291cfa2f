# SPDX-License-Identifier: Apache-2.0
"""The datapath forwards without snatd, and a new snatd resumes with the same state."""

from __future__ import annotations

import json
import subprocess
import time

from tests.e2e.harness import Gateway, no_leak
from tests.waiting import wait


def mappings(gateway: Gateway, port: int) -> dict[tuple[object, ...], tuple[object, ...]]:
    """What each flow to a server's port is mapped to."""
    rows = gateway.snatd.client.flows({"port": port}, limit=1000).flows
    return {
        (row.protocol, row.source, row.source_port, row.destination, row.destination_port): (
            row.mapped,
            row.mapped_port,
        )
        for row in rows
    }


def test_iperf3_continues_while_snatd_is_killed(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    with no_leak(gateway.lab):
        iperf3 = ("iperf3", "--client", "8.8.8.8", "--parallel", "4", "--time", "6", "--json")
        run = subprocess.Popen(gateway.client.command(*iperf3), stdout=subprocess.PIPE, text=True)
        try:
            snatd.wait_flows({"tcp"})
            time.sleep(1)
            before = mappings(gateway, 5201)
            snatd.kill()
            time.sleep(1.5)  # no snatd runs, and traffic continues
            snatd.start()
            after = mappings(gateway, 5201)
            output, _ = run.communicate(timeout=30)
        finally:
            run.kill()
            run.wait()
    answer = json.loads(output)
    assert "error" not in answer
    assert len(before) == 5  # four streams and their control connection
    assert after == before
    assert all(interval["sum"]["bytes"] > 0 for interval in answer["intervals"])


def test_restart_keeps_the_committed_rules(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    gateway.commit("set rules 10 pool c")
    running = snatd.client.configuration()
    history = [entry.time for entry in snatd.client.history()]
    assert snatd.stop() == 0
    seen = gateway.client.run("curl", "-sS", "--max-time", "10", "http://8.8.8.8/").stdout
    assert seen.startswith("1.1.2.1")
    snatd.start()
    assert snatd.client.configuration() == running
    assert [entry.time for entry in snatd.client.history()] == history


def test_changed_flow_limit_keeps_existing_flows(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    said = gateway.commit("set limits flows 400000")
    assert "takes effect at the next start of snatd; the flow table holds 262,144 flows now" in said
    with no_leak(gateway.lab):
        iperf3 = ("iperf3", "--client", "8.8.8.8", "--parallel", "4", "--time", "6", "--json")
        run = subprocess.Popen(gateway.client.command(*iperf3), stdout=subprocess.PIPE, text=True)
        try:
            wait(lambda: len(mappings(gateway, 5201)) == 5, "four streams and their control connection")
            before = mappings(gateway, 5201)
            rules = snatd.client.rules()
            assert snatd.stop() == 0
            snatd.start()
            after = mappings(gateway, 5201)
            output, _ = run.communicate(timeout=30)
        finally:
            run.kill()
            run.wait()
    answer = json.loads(output)
    assert "error" not in answer
    assert all(interval["sum"]["bytes"] > 0 for interval in answer["intervals"])
    assert len(before) == 5
    assert after == before
    assert snatd.client.resources().flow_capacity == 400_000
    counted = {row.number: row.packets for row in snatd.client.rules()}
    assert all(counted[row.number] >= row.packets for row in rules), "counters go on"
    assert not [path for path in snatd.pins.glob("v*") if not path.name.endswith("-400000")]
