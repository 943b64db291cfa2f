# SPDX-License-Identifier: Apache-2.0
"""snatd follows the host: interfaces removed, added and changed, links that fail, hooks removed."""

from __future__ import annotations

import ipaddress
import socket
import time
from functools import partial
from typing import Any

from snatsh.api.configuration import Statement
from snatsh.engine.host.gratuitous_arp import frame
from snatsh.lab.topology import INSIDE_PREFIX
from snatsh.lab.watch import Watch
from tests import waiting
from tests.e2e.harness import VIA_A, VIA_B, Gateway, addresses, document, seen_from

SECONDS = 10.0


wait = partial(waiting.wait, seconds=SECONDS)


def hooks(gateway: Gateway) -> dict[str, str]:
    return {row.name: row.hook for row in gateway.snatd.client.interfaces()}


def link_states(gateway: Gateway) -> dict[str, str]:
    return {row.name: row.state for row in gateway.snatd.client.links()}


def commit(gateway: Gateway, wanted: dict[str, Any]) -> None:
    gateway.snatd.client.replace_candidate(wanted)
    gateway.snatd.client.commit()


def make_eth2(gateway: Gateway) -> None:
    """Make the interface again that a test has deleted, with its provider behind it."""
    box, provider = gateway.lab["gateway"], gateway.lab["isp-b"]
    box.run("ip", "link", "add", "eth2", "type", "veth", "peer", "name", "eth0", "netns", provider.name)
    box.run("ethtool", "-K", "eth2", "tx", "off")
    provider.run("ethtool", "-K", "eth0", "tx", "off", "gro", "on")


def bring_up_eth2(gateway: Gateway) -> None:
    box, provider = gateway.lab["gateway"], gateway.lab["isp-b"]
    provider.run("ip", "address", "add", "1.1.3.1/24", "dev", "eth0")
    provider.run("ip", "link", "set", "eth0", "up")
    box.run("ip", "address", "add", "1.1.3.2/24", "dev", "eth2")
    box.run("ip", "link", "set", "eth2", "up")


def test_recreated_interface_gets_its_hooks(fresh_gateway: Gateway) -> None:
    gateway, box = fresh_gateway, fresh_gateway.lab["gateway"]
    provider = gateway.lab["isp-b"]
    assert seen_from(gateway, VIA_B) in addresses("b")
    before = hooks(gateway)
    box.run("ip", "link", "delete", "eth2")
    wait(lambda: hooks(gateway)["eth2"] == "", "eth2 has no hook")
    wait(lambda: link_states(gateway) == {"isp-a": "up", "isp-b": "down"}, "isp-b down")
    assert seen_from(gateway, VIA_A) in addresses("a")
    ping = gateway.lab.spawn("client-a", "ping", "-i", "0.002", VIA_B, log="ping.log")
    make_eth2(gateway)
    with Watch(provider, "eth0", f"ip src net {INSIDE_PREFIX}") as untranslated:
        bring_up_eth2(gateway)
        wait(lambda: hooks(gateway) == before, "hooks as they were")
        box.run("ip", "route", "add", "203.0.113.0/24", "via", "1.1.3.1")
        wait(lambda: seen_from(gateway, VIA_B) in addresses("b"), "traffic by isp-b again")
        ping.terminate()
        assert untranslated.count() == 0, untranslated.example()


def test_changed_mac_address_is_announced_and_used_in_arp(fresh_gateway: Gateway) -> None:
    gateway, box = fresh_gateway, fresh_gateway.lab["gateway"]
    assert seen_from(gateway, VIA_A) in addresses("a")
    with Watch(gateway.lab["isp-a"], "eth0", "arp and ether src 02:00:00:00:aa:01") as announcements:
        box.run("ip", "link", "set", "eth1", "address", "02:00:00:00:aa:01")
        # Each address of the two pools that are on this link.
        wait(lambda: announcements.count() >= len(addresses("a", "c")), "announcements with the new MAC")
    box.run("ip", "route", "replace", "default", "via", "1.1.2.1")  # a change of MAC took it away
    wait(lambda: seen_from(gateway, VIA_A) in addresses("a"), "traffic with the new MAC")


def test_new_pool_addresses_are_announced_once(gateway: Gateway) -> None:
    client = gateway.snatd.client
    added = [f"1.1.2.{number}" for number in range(140, 150)]
    with Watch(gateway.lab["isp-a"], "eth0", "arp and src host 1.1.2.139") as last:
        client.edit([Statement("set", ["pools", "a", "address", "1.1.2.139"])])
        client.commit()
        wait(lambda: last.count() == 1, "the last announcement after those of the start")
    expression = "arp and src host 1.1.2.140 and dst host 1.1.2.140"
    with (
        Watch(gateway.lab["isp-a"], "eth0", expression) as one,
        Watch(
            gateway.lab["isp-a"], "eth0", "arp and dst net 1.1.2.0/24 and src net 1.1.2.0/24"
        ) as all_of_them,
    ):
        client.replace_candidate(document(gateway.hook))
        client.edit([Statement("set", ["pools", "a", "address", "1.1.2.140-1.1.2.149"])])
        client.commit()
        wait(lambda: one.count() == 1, "the announcement of a new address")
        client.commit()
        time.sleep(0.5)
        assert one.count() == 1
        assert len(added) <= all_of_them.count() < len(added) + 10  # earlier ones are not repeated
    commit(gateway, document(gateway.hook))


def test_link_failure_switches_rules_over_and_back(fresh_gateway: Gateway) -> None:
    gateway, client = fresh_gateway, fresh_gateway.snatd.client
    wanted = document(gateway.hook)
    wanted["rules"]["10"]["failover"] = {"isp-b": {"pool": "c"}}
    commit(gateway, wanted)
    history = client.history()
    assert seen_from(gateway, VIA_A) in addresses("a")
    gateway.lab["isp-b"].run("ip", "link", "set", "eth0", "down")
    wait(lambda: link_states(gateway)["isp-b"] == "down", "isp-b down")
    assert "carrier" in client.links()[1].reason
    wait(lambda: seen_from(gateway, VIA_A) in addresses("c"), "the pool of the failover")
    gateway.lab["isp-b"].run("ip", "link", "set", "eth0", "up")
    wait(lambda: link_states(gateway)["isp-b"] == "up", "isp-b up")
    wait(lambda: seen_from(gateway, VIA_A) in addresses("a"), "the rule's own pool again")
    assert client.history() == history


def test_removed_hooks_are_attached_again(fresh_gateway: Gateway) -> None:
    gateway, box = fresh_gateway, fresh_gateway.lab["gateway"]
    before = hooks(gateway)
    box.run("tc", "qdisc", "delete", "dev", "eth1", "clsact")
    wait(lambda: "tc_outside_out" in box.run("tc", "filter", "show", "dev", "eth1", "egress").stdout, "guard")
    if gateway.hook == "xdp":
        box.run("ip", "link", "set", "eth1", "xdpdrv", "off")
    wait(lambda: hooks(gateway) == before, "hooks as they were")
    assert seen_from(gateway, VIA_A) in addresses("a")


def test_neighbor_entries_of_next_hops_are_refreshed(gateway: Gateway) -> None:
    box = gateway.lab["gateway"]

    def managed() -> set[str]:
        lines = box.run("ip", "-detail", "neighbour").stdout.splitlines()
        return {line.split()[0] for line in lines if " managed " in line}

    wait(lambda: managed() == {"1.1.2.1", "1.1.3.1"}, "both providers watched")
    box.run("ip", "route", "add", "198.51.100.0/24", "via", "1.1.2.77")
    wait(lambda: "1.1.2.77" in managed(), "the gateway of a new route watched")
    box.run("ip", "route", "delete", "198.51.100.0/24")
    wait(lambda: managed() == {"1.1.2.1", "1.1.3.1"}, "the gateway of a route that went forgotten")


def test_changed_next_hop_mac_is_learned(fresh_gateway: Gateway) -> None:
    """By an ARP that announces it, as a standby router sends when it takes over."""
    gateway, provider = fresh_gateway, fresh_gateway.lab["isp-a"]
    assert seen_from(gateway, VIA_A) in addresses("a")
    provider.run("ip", "link", "set", "eth0", "address", "02:00:00:00:bb:01")
    with provider.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("eth0", 0))
        sender.send(frame(bytes.fromhex("02000000bb01"), int(ipaddress.ip_address("1.1.2.1"))))
    wait(lambda: seen_from(gateway, VIA_A) in addresses("a"), "traffic to the new MAC", seconds=5)


def test_changes_made_by_snatd_cause_no_reload(gateway: Gateway) -> None:
    """What snatd does after a change is no change it would follow again."""
    lab = gateway.lab
    monitor = lab.spawn("gateway", "ip", "-timestamp", "monitor", "link", log="monitor.log")
    log = lab.folder / "monitor.log"

    def noticed() -> bool:
        lab["gateway"].run("ip", "link", "set", "eth2", "mtu", "1400")
        lab["gateway"].run("ip", "link", "set", "eth2", "mtu", "1500")
        return log.stat().st_size > 0

    wait(noticed, "a change that is seen")
    time.sleep(1)
    settled = log.stat().st_size
    time.sleep(1.5)
    monitor.terminate()
    assert log.stat().st_size == settled


def test_link_lost_while_snatd_was_down_is_detected(fresh_gateway: Gateway) -> None:
    gateway, snatd = fresh_gateway, fresh_gateway.snatd
    snatd.kill()
    gateway.lab["gateway"].run("ip", "link", "delete", "eth2")
    snatd.start()
    assert hooks(gateway)["eth2"] == ""
    assert seen_from(gateway, VIA_A) in addresses("a")


def test_commits_while_an_interface_is_missing(fresh_gateway: Gateway) -> None:
    gateway, client = fresh_gateway, fresh_gateway.snatd.client
    before = hooks(gateway)
    gateway.lab["gateway"].run("ip", "link", "delete", "eth2")
    wait(lambda: hooks(gateway)["eth2"] == "", "eth2 has no hook")
    client.edit([Statement("set", ["rules", "10", "pool", "c"])])
    for check in (True, False):
        warned = [row.path for row in client.commit(check=check).warnings]
        assert ["interfaces", "eth2"] in warned
    assert seen_from(gateway, VIA_A) in addresses("c")
    client.edit([Statement("set", ["rules", "10", "pool", "a"])])
    client.commit(confirmed=5)
    assert seen_from(gateway, VIA_A) in addresses("a")
    client.abort()
    assert seen_from(gateway, VIA_A) in addresses("c")
    make_eth2(gateway)
    with Watch(gateway.lab["isp-b"], "eth0", f"ip src net {INSIDE_PREFIX}") as untranslated:
        bring_up_eth2(gateway)
        wait(lambda: hooks(gateway) == before, "hooks as they were")
        gateway.lab["gateway"].run("ip", "route", "add", "203.0.113.0/24", "via", "1.1.3.1")
        wait(lambda: seen_from(gateway, VIA_B) in addresses("b"), "traffic by isp-b again")
        assert untranslated.count() == 0, untranslated.example()


def test_wrong_name_of_an_interface_takes_no_guard_away(gateway: Gateway) -> None:
    wanted = document(gateway.hook)
    wanted["interfaces"]["eht2"] = wanted["interfaces"].pop("eth2")
    wanted["links"]["isp-b"]["interface"] = "eht2"
    for rule in wanted["rules"].values():
        if rule.get("out-interface") == "eth2":
            rule["out-interface"] = "eht2"
    gateway.snatd.client.replace_candidate(wanted)
    with Watch(gateway.lab["isp-b"], "eth0", f"ip src net {INSIDE_PREFIX}") as untranslated:
        done = gateway.snatd.client.commit()
        said = {(" ".join(row.path), row.value): row.reason for row in done.warnings}
        assert "there are: eth0, eth1, eth2, lo" in said["interfaces eht2", ""]
        assert "keeps role outside while eht2 is missing" in said["interfaces", "eth2"]
        gateway.client.run("ping", "-c", "20", "-i", "0.01", "-W", "1", VIA_B, check=False)
        assert untranslated.count() == 0, untranslated.example()
    assert seen_from(gateway, VIA_A) in addresses("a")
    commit(gateway, document(gateway.hook))
    assert seen_from(gateway, VIA_B) in addresses("b")


def test_interface_that_appears_before_a_commit_has_its_role_after_it(gateway: Gateway) -> None:
    """snatd is looking at the host already: what it saw before the interface was there must not win."""
    box = gateway.lab["gateway"]
    for number in range(10):
        name = f"new{number}"
        wanted = document(gateway.hook)
        wanted["interfaces"][name] = {"role": "outside"}
        box.run("ip", "link", "add", "first", "type", "veth", "peer", "name", "second")  # makes snatd look
        box.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"peer{number}")
        commit(gateway, wanted)
        for _ in range(10):
            assert name in hooks(gateway)
            assert hooks(gateway)[name], f"{name} has no hook"
            time.sleep(0.01)
        box.run("ip", "link", "delete", "first")
        box.run("ip", "link", "delete", name)
    gateway.reset()
