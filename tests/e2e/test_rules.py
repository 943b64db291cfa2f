# SPDX-License-Identifier: Apache-2.0
"""Rules on real traffic: redirect, exempt, drop, algorithms, fragments, announcements, failover."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import CLIENTS, INSIDE_PREFIX
from snatsh.lab.watch import Watch
from tests.e2e import echoes
from tests.e2e.harness import VIA_A, Gateway, addresses, no_leak, seen_from


@pytest.fixture(autouse=True)
def back_again(gateway: Gateway) -> Iterator[None]:
    """Each test begins with the rules of the start, and without flows."""
    yield
    gateway.reset()
    gateway.snatd.client.end_flows()


def fetch_fails(gateway: Gateway, server: str = VIA_A) -> bool:
    done = gateway.client.run("curl", "-sS", "--max-time", "2", f"http://{server}/", check=False)
    return done.returncode != 0


def test_redirect_uses_the_other_provider(gateway: Gateway) -> None:
    lab = gateway.lab
    assert seen_from(gateway) in addresses("a")
    gateway.commit("set rules 10 redirect 1.1.3.1", "set rules 10 pool b")
    with no_leak(lab), Watch(lab["isp-b"], "eth0", f"ip dst host {VIA_A}") as by_b:
        assert seen_from(gateway) in addresses("b")
        assert gateway.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", VIA_A).returncode == 0
        assert by_b.count() >= 6


def test_exempt_drop_and_default_action(gateway: Gateway) -> None:
    lab = gateway.lab
    with Watch(lab["isp-a"], "eth0", f"ip src host 192.168.40.9 and dst host {VIA_A}") as untranslated:
        only_server = ["set rules 5 source 192.168.40.0/24", f"set rules 5 destination {VIA_A}/32"]
        gateway.commit(*only_server, "set rules 5 action drop")
        assert fetch_fails(gateway)
        assert gateway.drops()["rule"] > 0
        assert seen_from(gateway, server="1.0.0.1") in addresses("a"), "others are translated"
        assert untranslated.count() == 0
        gateway.commit("delete rules 5", "delete rules 10", "delete rules 20")
        assert fetch_fails(gateway)
        assert gateway.drops()["no-rule"] > 0
        assert untranslated.count() == 0
        gateway.commit(*only_server, "set rules 5 action exempt")
        assert fetch_fails(gateway), "the provider knows no way back to an inside address"
        assert untranslated.count() > 0, "exempt means untranslated"


@contextmanager
def routes_to_the_inside(lab: Lab) -> Iterator[None]:
    """As a neighbor has them who wants in, or a provider who routes a public prefix."""
    routes = {"isp-a": "1.1.2.2", "server": "198.18.1.1"}
    for node, via in routes.items():
        lab[node].run("ip", "route", "add", INSIDE_PREFIX, "via", via)
    yield
    for node in routes:
        lab[node].run("ip", "route", "del", INSIDE_PREFIX)


def test_from_outside_only_replies_to_exempt_connections_enter(gateway: Gateway) -> None:
    lab, echo = gateway.lab, ("ping", "-c", "3", "-i", "0.2", "-W", "1", CLIENTS["client-a"])
    arrived = f"icmp and dst host {CLIENTS['client-a']}"
    with routes_to_the_inside(lab), Watch(lab["client-a"], "eth0", arrived) as entered:
        gateway.commit(f"set rules 5 source {CLIENTS['client-a']}/32", "set rules 5 action exempt")
        assert seen_from(gateway) == CLIENTS["client-a"]
        for node in ("isp-a", "server"):
            assert lab[node].run(*echo, check=False).returncode != 0
        assert entered.count() == 0
        assert gateway.drops()["inbound"] == 6
        gateway.commit("set system inbound pass")
        for node in ("isp-a", "server"):
            assert lab[node].run(*echo).returncode == 0


@pytest.mark.parametrize("algorithm", ["source-hash", "source-destination-hash", "least-used", "round-robin"])
def test_algorithms_distribute_addresses_as_documented(gateway: Gateway, algorithm: str) -> None:
    gateway.commit(f"set rules 10 algorithm {algorithm}")
    seen = [seen_from(gateway) for _ in range(6)]
    assert set(seen) <= addresses("a")
    if algorithm.endswith("hash"):
        assert len(set(seen)) == 1
    else:
        assert len(set(seen)) == 6


def test_large_packets_pass_in_fragments(gateway: Gateway) -> None:
    with no_leak(gateway.lab):
        answer = gateway.client.run(*echoes.ping(VIA_A, 3, 0.2, "-s", "4000")).stdout
    assert not echoes.lost(answer, 3)


def test_new_pool_addresses_are_announced_and_answered_in_arp(gateway: Gateway) -> None:
    lab = gateway.lab
    with Watch(lab["isp-a"], "eth0", "arp and arp[14:4] = 0x01010296") as announced:  # 1.1.2.150
        gateway.commit("set pools a address 1.1.2.150")
        time.sleep(1)
        assert announced.count() >= 1, "a gratuitous ARP"
    lab["isp-a"].run("ip", "neigh", "flush", "dev", "eth0")
    lab["isp-a"].run("ping", "-c", "1", "-W", "1", "1.1.2.150", check=False)
    neighbours = lab["isp-a"].run("ip", "neigh", "show", "1.1.2.150").stdout
    assert "lladdr" in neighbours, "ARP for a pool address is answered"


def test_failover_on_loss_of_carrier(gateway: Gateway) -> None:
    lab = gateway.lab
    gateway.commit("set rules 10 failover isp-a redirect 1.1.3.1", "set rules 10 failover isp-a pool b")
    assert seen_from(gateway) in addresses("a")
    lab["gateway"].run("ip", "route", "add", "default", "via", "1.1.3.1", "metric", "100")
    gateway.commit("delete rules 10 out-interface")
    with no_leak(lab):
        lab["isp-a"].run("ip", "link", "set", "eth0", "down")
        time.sleep(1)
        assert seen_from(gateway) in addresses("b")
        lab["isp-a"].run("ip", "link", "set", "eth0", "up")
    lab["gateway"].run("ip", "route", "del", "default", "via", "1.1.3.1")


def test_disabled_datapath_forwards_without_translation(gateway: Gateway) -> None:
    lab = gateway.lab
    assert seen_from(gateway) in addresses("a")
    with Watch(lab["isp-a"], "eth0", f"ip src host 192.168.40.9 and dst host {VIA_A}") as untranslated:
        gateway.commit("set system datapath disabled")
        assert fetch_fails(gateway)
        assert untranslated.count() > 0
    assert not lab["gateway"].run("tc", "qdisc", "show", "dev", "eth1").stdout.count("clsact")
    assert "xdp" not in lab["gateway"].run("ip", "link", "show", "eth0").stdout
    gateway.commit("delete system datapath")
    with no_leak(lab):
        assert seen_from(gateway) in addresses("a")
