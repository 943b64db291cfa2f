# SPDX-License-Identifier: Apache-2.0
"""Diagnostics in the shell: subscribers, alarms, packet tests, traces."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pexpect
import pytest

from snatsh.lab.gateway import SNATSH
from tests.e2e.harness import Gateway, running_gateway


@pytest.fixture(scope="module")
def box() -> Iterator[Gateway]:
    with running_gateway("tc") as gateway:
        gateway.commit("set timeouts icmp query 3600")  # the flows are to outlast the tests
        for client in (gateway.client, gateway.other_client):
            client.run("ping", "-c", "2", "-i", "0.2", "8.8.8.8")
        gateway.client.run("ping", "-c", "2", "-i", "0.2", "203.0.113.9")
        yield gateway


def ask(box: Gateway, command: str) -> Any:
    return json.loads(box.snatd.shell(f"{command} | json").stdout)


@pytest.mark.parametrize(
    "command",
    [
        "show flows top talkers", "show flows detail", "show subscribers", "show pools detail",
        "show rules hits", "show system resources", "show system uptime", "show system users",
        "show system alarms", "show log messages", "show log audit", "show cli history", "show cli",
    ],
)  # fmt: skip
def test_diagnostic_commands_have_text_and_json(box: Gateway, command: str) -> None:
    assert box.snatd.shell(command).stdout.strip()
    json.loads(box.snatd.shell(f"{command} | json").stdout)


def test_flows_by_pool_link_age_and_rate(box: Gateway) -> None:
    assert {flow["mapped"][:6] for flow in ask(box, "show flows pool a")["flows"]} == {"1.1.2."}
    assert {flow["out_interface"] for flow in ask(box, "show flows link isp-b")["flows"]} == {"eth2"}
    assert ask(box, "show flows age 3600")["matched"] == 0
    assert ask(box, "show flows rate 99999999999")["matched"] == 0
    refused = box.snatd.shell("show flows pool nowhere", check=False)
    assert refused.returncode == 1
    assert "no such pool runs" in refused.stderr


def test_talkers_and_subscribers(box: Gateway) -> None:
    talkers = ask(box, "show flows top talkers")
    assert [row["source"] for row in talkers] == ["192.168.40.9", "192.168.40.10"]
    assert [row["flows"] for row in talkers] == [2, 1]
    (only,) = ask(box, "show flows top talkers destination 203.0.113.0/24 limit 5")
    assert (only["source"], only["flows"], only["packets"]) == ("192.168.40.9", 1, 4)
    found = ask(box, "show subscribers")
    assert {row["address"]: row["sessions"] for row in found["subscribers"]} == {
        "192.168.40.9": 2,
        "192.168.40.10": 1,
    }


def test_alarms_are_raised_and_cleared(box: Gateway) -> None:
    assert ask(box, "show system alarms") == {"alarms": []}
    box.snatd.shell("configure", "set system datapath disabled", "commit confirmed 10")
    try:
        output = {alarm["text"] for alarm in ask(box, "show system alarms")["alarms"]}
        assert output == {"the datapath is disabled by configuration", "a commit by root is not confirmed"}
    finally:
        box.snatd.shell("request system commit abort")
    assert ask(box, "show system alarms") == {"alarms": []}


PACKET = "test packet source 192.168.40.9 destination {} protocol tcp destination-port 443"


def test_test_packet_names_rule_address_and_next_hop(box: Gateway) -> None:
    found = ask(box, PACKET.format("203.0.113.9"))
    assert "candidate" not in found
    said = found["running"]
    assert (said["verdict"], said["rule"], said["pool"]) == ("translate", 20, "b")
    assert (said["out_interface"], said["redirect"], said["next_hop"]) == ("eth2", "", "1.1.3.1")
    assert said["others"] == [{"rule": 10, "reason": "out-interface is eth2, not eth1"}]
    box.client.run("curl", "-sS", "--max-time", "5", "http://203.0.113.9/")
    taken = {flow["mapped"] for flow in ask(box, "show flows protocol tcp destination 203.0.113.9")["flows"]}
    assert taken == set(said["addresses"])


def test_test_packet_evaluates_the_candidate(box: Gateway) -> None:
    try:
        done = box.snatd.shell(
            "configure", "set rules 5 source 192.168.40.9/32", "set rules 5 action drop",
            "run " + PACKET.format("8.8.8.8"),
        ).stdout  # fmt: skip
        running, _, candidate = done.partition("Candidate configuration:")
        assert "rule 10 is the most specific" in running
        assert "Verdict:   drop" in candidate
        assert "rule 5 is the most specific" in candidate
        assert "10: matches too, but rule 5 has a longer source prefix" in candidate
    finally:
        box.snatd.shell("configure", "rollback 0")


def test_test_packet_uses_a_link_that_is_up(box: Gateway) -> None:
    box.snatd.shell("configure", "set rules 10 failover isp-a redirect 1.1.3.1 pool b", "commit")
    try:
        box.snatd.shell("request link isp-a down")
        deadline = time.monotonic() + 15
        while (said := ask(box, PACKET.format("8.8.8.8"))["running"])["ways"] != "isp-b, instead of isp-a":
            assert time.monotonic() < deadline, said
        assert (said["rule"], said["pool"], said["next_hop"]) == (10, "b", "1.1.3.1")
        assert said["redirect"] == "1.1.3.1"
        assert "  Redirect:  1.1.3.1\n" in box.snatd.shell(PACKET.format("8.8.8.8")).stdout
        drafted = box.snatd.shell(
            "configure", "set rules 10 description x", "run " + PACKET.format("8.8.8.8")
        )
        assert "Pool:      b" in drafted.stdout.partition("Candidate configuration:")[2]
    finally:
        box.snatd.shell("request link isp-a up")
        box.snatd.shell("configure", "rollback 1", "commit")


def test_test_packet_outside_of_the_rules(box: Gateway) -> None:
    assert (
        "eth0, which is not an outside interface"
        in ask(box, PACKET.format("192.168.40.10"))["running"]["reason"]
    )
    refused = box.snatd.shell(PACKET.format("8.8.8.8") + " interface eth1", check=False)
    assert "eth1: not an inside interface" in refused.stdout + refused.stderr
    wrong = box.snatd.shell("test packet source 192.168.40.9 destination 8.8.8.8 protocol gre", check=False)
    assert "expected one of: tcp, udp, icmp" in wrong.stderr


def test_ping_and_traceroute_from_the_gateway(box: Gateway) -> None:
    assert "2 received" in box.snatd.shell("ping 8.8.8.8 count 2").stdout
    assert "1.1.2.1" in box.snatd.shell("traceroute 8.8.8.8").stdout
    assert box.snatd.shell("ping -f", check=False).returncode == 1


def test_ping_and_traceroute_from_a_pool_address(box: Gateway) -> None:
    before = {row["reason"]: row["packets"] for row in ask(box, "show drops")["drops"]}
    done = box.snatd.shell("ping 8.8.8.8 source 1.1.2.105 count 2").stdout
    assert "reply from 8.8.8.8: seq=2 ttl=63" in done
    assert "2 packets transmitted, 2 received, 0% packet loss" in done
    hops = box.snatd.shell("traceroute 8.8.8.8 source 1.1.2.105").stdout.splitlines()
    assert [line.split()[:2] for line in hops[1:]] == [["1", "1.1.2.1"], ["2", "8.8.8.8"]]
    refused = box.snatd.shell("ping 198.51.100.1 source 1.1.2.105 count 1", check=False)
    assert refused.returncode == 1
    assert "100% packet loss" in refused.stderr
    assert ask(box, "show flows mapped 1.1.2.105")["matched"] == 0
    assert {row["reason"]: row["packets"] for row in ask(box, "show drops")["drops"]} == before


def test_trace_shows_path_and_drop_reason(box: Gateway) -> None:
    trace = box.lab["gateway"].command(
        SNATSH, "-c", "monitor trace source 192.168.40.9 protocol udp seconds 60"
    )
    child = pexpect.spawn(
        trace[0], trace[1:], env={**os.environ, "SNATSH_SOCKET": str(box.snatd.socket)}, encoding="utf-8",
        timeout=30,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while "opens a flow by rule 10" not in (child.before or "") + str(child.after):
        assert time.monotonic() < deadline
        box.client.run("dig", "+time=1", "+tries=1", "@8.8.8.8", "example.net", check=False)
        child.expect([r"opens a flow by rule 10\r\n", pexpect.TIMEOUT], timeout=1)
    child.expect(
        r"udp +8\.8\.8\.8:53 > 1\.1\.2\.\d+:\d+ ttl \d+ length \d+: translated, 192\.168\.40\.9:\d+\r\n"
    )
    box.snatd.shell("configure", "set rules 5 source 192.168.40.9/32", "set rules 5 action drop", "commit")
    try:
        box.client.run("dig", "+time=1", "+tries=1", "@8.8.8.8", "example.net", check=False)
        child.expect(r"udp +192\.168\.40\.9:\d+ > 8\.8\.8\.8:53 ttl 64 length \d+: dropped, rule\r\n")
        refused = box.snatd.shell("monitor trace seconds 1", check=False)
        assert "is tracing already" in refused.stderr
    finally:
        box.snatd.shell("configure", "rollback 1", "commit")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert "trace ended" in box.snatd.shell("monitor trace seconds 1").stdout


def test_trace_ends_after_its_count(box: Gateway) -> None:
    traced = box.lab.spawn("client-b", "ping", "-i", "0.2", "-w", "10", "8.8.8.8", log="trace-ping.log")
    done = box.snatd.shell("monitor trace protocol icmp count 3 seconds 15")
    traced.kill()
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "trace ended"
