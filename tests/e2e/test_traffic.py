# SPDX-License-Identifier: Apache-2.0
"""Real clients through the gateway: only pool addresses and ports leave it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from snatsh.lab.namespaces import Namespace
from snatsh.lab.topology import NARROW_ADDRESS, NARROW_MTU
from snatsh.lab.traffic import TrafficReport
from tests.e2e import echoes
from tests.e2e.harness import PORTS, Gateway, addresses, no_leak

VIA_A = "8.8.8.8"
VIA_B = "203.0.113.9"
POOL_OF = {VIA_A: "a", VIA_B: "b"}


@pytest.fixture(autouse=True)
def nothing_leaks(gateway: Gateway) -> Iterator[None]:
    with no_leak(gateway.lab):
        yield


def assert_from_pool(source: str, pool: str) -> None:
    """`source` is what a server says: `ADDRESS PORT`."""
    address, port = source.replace(":", " ").split()
    assert address in addresses(pool)
    assert int(port) in PORTS


@pytest.mark.parametrize("server", [VIA_A, VIA_B])
@pytest.mark.parametrize("client", ["client-a", "client-b"])
def test_servers_see_a_pool_address(gateway: Gateway, client: str, server: str) -> None:
    seen = gateway.lab[client].run("curl", "-sS", "--max-time", "10", f"http://{server}/").stdout
    assert_from_pool(seen, POOL_OF[server])


def test_downloads_are_complete(gateway: Gateway) -> None:
    size = 20_000_000
    url = f"http://{VIA_A}/bytes/{size}"
    got = gateway.client.run(
        "curl", "-sS", "--max-time", "30", "-o", "/dev/null", "-w", "%{size_download}", url
    )
    assert int(got.stdout) == size


def iperf3(client: Namespace, server: str, *options: str) -> dict[str, Any]:
    done = client.run("iperf3", "--client", server, "--json", "--time", "1", *options, check=False)
    answer = json.loads(done.stdout)
    assert "error" not in answer, answer["error"]
    end: dict[str, Any] = answer["end"]
    return end


@pytest.mark.parametrize("direction", [(), ("--reverse",)], ids=["up", "down"])
@pytest.mark.parametrize("server", [VIA_A, VIA_B])
def test_iperf3_tcp(gateway: Gateway, server: str, direction: tuple[str, ...]) -> None:
    end = iperf3(gateway.client, server, "--parallel", "4", *direction)
    assert end["sum_received"]["bits_per_second"] > 50e6


@pytest.mark.serial
@pytest.mark.parametrize("direction", [(), ("--reverse",)], ids=["up", "down"])
def test_iperf3_udp(gateway: Gateway, direction: tuple[str, ...]) -> None:
    end = iperf3(gateway.client, VIA_A, "--udp", "--bitrate", "20M", "--length", "1200", *direction)
    assert end["sum"]["packets"] > 1000
    assert end["sum"]["lost_percent"] < 1


@pytest.mark.parametrize("size", [0, 56, 1472, 4000])
def test_ping(gateway: Gateway, size: int) -> None:
    answer = gateway.client.run(*echoes.ping(VIA_A, 50, 0.005, "-s", str(size))).stdout
    assert not echoes.lost(answer, 50)
    assert "DUP" not in answer


def hops(answer: str) -> list[str]:
    return re.findall(r"^ *\d+ +([0-9.]+|\*)", answer, re.MULTILINE)


@pytest.mark.parametrize("form", [(), ("-I",), ("-T", "-p", "80")], ids=["udp", "icmp", "tcp"])
def test_traceroute_shows_the_path(gateway: Gateway, form: tuple[str, ...]) -> None:
    answer = gateway.client.run("traceroute", "-n", "-q", "1", "-w", "2", *form, VIA_A).stdout
    assert hops(answer) == ["192.168.40.1", "1.1.2.1", VIA_A]


def test_tracepath_finds_the_path_mtu(gateway: Gateway) -> None:
    answer = gateway.client.run("tracepath", "-n", NARROW_ADDRESS).stdout
    assert f"pmtu {NARROW_MTU}" in answer
    assert "reached" in answer


def test_sender_learns_the_path_mtu(gateway: Gateway) -> None:
    client = gateway.other_client
    client.run("ip", "route", "flush", "cache")
    answer = client.run("ping", "-c", "1", "-M", "do", "-s", "1400", NARROW_ADDRESS, check=False).stdout
    assert f"From 1.1.3.1 icmp_seq=1 Frag needed and DF set (mtu = {NARROW_MTU})" in answer
    assert NARROW_ADDRESS in client.run("ip", "route", "get", NARROW_ADDRESS).stdout
    assert f"mtu {NARROW_MTU}" in client.run("ip", "route", "get", NARROW_ADDRESS).stdout


def test_upload_over_a_link_with_small_mtu(gateway: Gateway) -> None:
    gateway.client.run("ip", "route", "flush", "cache")
    end = iperf3(gateway.client, NARROW_ADDRESS)
    assert end["sum_received"]["bytes"] > 1_000_000


def test_dig(gateway: Gateway) -> None:
    for _ in range(10):
        answer = gateway.client.run("dig", "+short", "+tries=1", "@8.8.8.8", "www.example.net").stdout
        assert answer.strip() == "203.0.113.9"
    assert (
        gateway.client.run("dig", "+short", "+tcp", "@8.8.8.8", "www.example.net").stdout.strip()
        == "203.0.113.9"
    )


def test_steady_traffic_loses_no_packet(gateway: Gateway) -> None:
    program = (sys.executable, "-m", "snatsh.lab.traffic", VIA_A, VIA_B)
    report = TrafficReport.from_json(
        gateway.client.run(*program, "--seconds", "3", "--interval", "0.005").stdout
    )
    for kind in (report.udp, report.ping, report.tcp, report.http):
        assert kind.errors == []
        assert kind.answered == kind.sent > 0
    for source in report.udp.sources | report.tcp.sources | report.http.sources:
        assert_from_pool(source, "a" if source.startswith("1.1.2.") else "b")


def test_equal_source_ports_of_two_clients(gateway: Gateway) -> None:
    """One address to map to, one source port, one destination: the mapped ports must differ."""
    gateway.commit("delete pools a address 1.1.2.100-1.1.2.110", "set pools a address 1.1.2.100")
    try:
        seen = [
            client.run("curl", "-sS", "--max-time", "10", "--local-port", "40000", f"http://{VIA_A}/").stdout
            for client in (gateway.client, gateway.other_client)
        ]
    finally:
        gateway.commit("delete pools a address 1.1.2.100", "set pools a address 1.1.2.100-1.1.2.110")
    assert {line.split()[0] for line in seen} == {"1.1.2.100"}
    assert len(set(seen)) == 2


def test_unsolicited_traffic_to_the_pool_is_dropped(gateway: Gateway) -> None:
    before = gateway.drops()
    done = gateway.lab["server"].run("ping", "-c", "3", "-i", "0.01", "-W", "1", "1.1.2.105", check=False)
    assert "0 received" in done.stdout
    after = gateway.drops()
    assert sum(after.values()) - sum(before.values()) == 3
