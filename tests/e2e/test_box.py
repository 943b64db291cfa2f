# SPDX-License-Identifier: Apache-2.0
"""What of the Linux host translated packets pass by is said by name: by `commit check`, and as an alarm."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator

import pytest

from snatsh.engine.host.netlink_watcher import HostChange, NetlinkWatcher
from snatsh.lab.services import wait_listening
from snatsh.lab.watch import Watch
from tests.e2e.findings import Box, alarms, box_of, is_found, is_gone, said, udp_seen_from
from tests.e2e.harness import VIA_A, Gateway, addresses, seen_from
from tests.waiting import wait


@pytest.fixture
def box(gateway: Gateway) -> Iterator[Box]:
    """Run a command on the gateway."""
    run = box_of(gateway)
    yield run
    run("nft", "flush", "ruleset")
    for table in ("filter", "mangle", "nat"):
        run("iptables-legacy", "-t", table, "-F")
    run("iptables-legacy", "-P", "FORWARD", "ACCEPT")


def test_nothing_is_found_where_nothing_is_passed_by(gateway: Gateway) -> None:
    virtual = [warning for warning in said(gateway) if "is virtual" in warning]
    assert said(gateway) == virtual
    assert len(virtual) == (3 if gateway.hook == "xdp" else 0)
    assert alarms(gateway) == {}


FORWARD = """
table inet shop {
    chain inspected {
        type filter hook forward priority filter; policy drop;
        ct state established accept
        tcp dport 25 drop
    }
    chain untouched {
        type filter hook forward priority filter; policy accept;
    }
}
"""


def test_forward_chain_of_nft(gateway: Gateway, box: Box) -> None:
    box("nft", "-f", "-", stdin=FORWARD)
    name = "table inet shop, chain inspected (hook forward, policy drop, 2 rules) is not applied"
    is_found(gateway, name, "major")
    assert "untouched" not in "".join(said(gateway))
    log = gateway.snatd.log.read_text
    wait(lambda: f"WARNING: {name}" in log(), "logged")
    assert seen_from(gateway) in addresses("a"), "as it says"
    box("nft", "delete", "table", "inet", "shop")
    is_gone(gateway, name)
    wait(lambda: f"no longer: {name}" in log(), "logged")


@pytest.mark.parametrize("program", ["iptables", "iptables-legacy"])
def test_forward_chain_of_iptables(gateway: Gateway, box: Box, program: str) -> None:
    name = "chain FORWARD (hook forward, policy accept, 1 rule)"
    box(program, "-A", "FORWARD", "-p", "tcp", "--dport", "25", "-j", "DROP")
    is_found(gateway, name, "major")
    assert ("iptables-legacy, table filter" in "".join(said(gateway))) == (program == "iptables-legacy")
    box(program, "-F", "FORWARD")
    is_gone(gateway, name)
    box(program, "-P", "FORWARD", "DROP")
    is_found(gateway, "chain FORWARD (hook forward, policy drop, 0 rules)", "major")
    assert seen_from(gateway) in addresses("a"), "as it says"
    box(program, "-P", "FORWARD", "ACCEPT")


def test_chains_before_and_after_routing(gateway: Gateway, box: Box) -> None:
    box("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "TOS", "--set-tos", "8")
    box("iptables-legacy", "-t", "mangle", "-A", "POSTROUTING", "-j", "MARK", "--set-mark", "8")
    is_found(gateway, "table ip mangle, chain PREROUTING (hook prerouting, policy accept, 1 rule)", "minor")
    is_found(
        gateway,
        "iptables-legacy, table mangle, chain POSTROUTING (hook postrouting, policy accept, 1 rule)",
        "minor",
    )


DEVICES = """
table netdev edge {
    chain in {
        type filter hook ingress device eth0 priority 0; policy accept;
        counter
    }
    chain out {
        type filter hook egress device eth1 priority 0; policy accept;
        udp dport 53 counter
        tcp dport 80 counter
    }
}
"""


def test_chains_of_a_device(gateway: Gateway, box: Box) -> None:
    """The kernel spares what TC redirects at the ingress the egress hook of nf_tables."""
    box("nft", "-f", "-", stdin=DEVICES)
    is_found(gateway, "table netdev edge, chain in (hook ingress of eth0, policy accept, 1 rule)", "minor")
    out = "table netdev edge, chain out (hook egress of eth1, policy accept, 2 rules)"
    is_found(gateway, out, "minor")
    assert seen_from(gateway) in addresses("a")
    counted = [
        part["counter"]["packets"]
        for found in json.loads(box("nft", "-j", "list", "chain", "netdev", "edge", "out"))["nftables"]
        for part in found.get("rule", {}).get("expr", [])
        if "counter" in part
    ]
    assert counted == [0, 0], "as it says"


PROXY = """
table ip proxy {
    chain transparent {
        type filter hook prerouting priority mangle; policy accept;
        iifname "eth0" tcp dport 8081 tproxy to 127.0.0.1:3129 meta mark set 1
    }
    chain here {
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 80 redirect to :3128
        iifname "eth1" tcp dport 81 redirect to :3128
        ip daddr 1.1.2.2 tcp dport 8080 dnat to 192.168.40.10:80
        fib daddr type local jump forwarded
    }
    chain forwarded {
        tcp dport 8082 dnat to 192.168.40.10:80
    }
}
"""


def test_transparent_proxies(gateway: Gateway, box: Box) -> None:
    """Port forwarding by an address of the gateway is no proxy, nor is what is for the outside."""
    box("nft", "-f", "-", stdin=PROXY)
    is_found(gateway, ": tproxy does not get", "major")
    is_found(gateway, ": redirect does not get", "major")
    proxies = [warning for warning in said(gateway) if "does not get translated packets" in warning]
    assert len(proxies) == 2, proxies
    assert "interfaces eth0 table ip proxy, chain transparent, handle" in proxies[0]
    assert "table ip proxy, chain here, handle" in proxies[1]
    assert seen_from(gateway) in addresses("a"), "as it says: from the server itself"


def test_shaper_and_filters(gateway: Gateway, box: Box) -> None:
    """TC follows them, but for filters after its own."""
    try:
        box(
            "tc",
            "qdisc",
            "add",
            "dev",
            "eth1",
            "root",
            "tbf",
            *["rate", "1gbit", "burst", "100k", "latency", "50ms"],
        )
        catch = ["protocol", "ip", "u32", "match", "ip", "dst", "198.18.9.9/32", "flowid", "1:1"]
        box("tc", "filter", "add", "dev", "eth0", "ingress", "pref", "10", *catch)
        box("tc", "filter", "add", "dev", "eth0", "ingress", "pref", "2000", *catch)
        is_found(gateway, "tc filter u32 pref 2000 (ingress) comes after those of snatsh", "minor")
        for text in ("tc filter u32 pref 10 (ingress) is not applied", "qdisc tbf"):
            if gateway.hook == "xdp":
                is_found(gateway, text, "minor")
            else:
                is_gone(gateway, text)
        assert seen_from(gateway) in addresses("a")  # and the next hop is known
        before = sent_by_qdisc(box)
        assert seen_from(gateway) in addresses("a")
        assert (sent_by_qdisc(box) - before >= 4) == (gateway.hook == "tc")
    finally:
        box("tc", "qdisc", "delete", "dev", "eth1", "root")
        for preference in ("10", "2000"):
            box("tc", "filter", "delete", "dev", "eth0", "ingress", "pref", preference)
    is_gone(gateway, "qdisc tbf")
    is_gone(gateway, "tc filter u32")


def test_what_comes_in_the_way_of_a_hook_is_noticed(gateway: Gateway, box: Box) -> None:
    """So that hook auto changes over, with which virtual interfaces have no choice (tests/kernel)."""

    async def noticed(*command: str) -> bool:
        changes: list[HostChange] = []
        watcher = NetlinkWatcher(changes.append)
        box(*command)
        for _ in range(500):
            if any(change & HostChange.HOOKS for change in changes):
                break
            await asyncio.sleep(0.01)
        watcher.close()
        return any(change & HostChange.HOOKS for change in changes)

    catch = ["protocol", "ip", "u32", "match", "ip", "dst", "198.18.9.9/32", "flowid", "1:1"]
    with gateway.lab["gateway"].entered():
        assert asyncio.run(noticed("tc", "qdisc", "add", "dev", "eth1", "root", "htb"))
        assert asyncio.run(noticed("tc", "qdisc", "delete", "dev", "eth1", "root"))
        place = ["dev", "eth1", "ingress", "pref", "10"]
        assert asyncio.run(noticed("tc", "filter", "add", *place, *catch))
        assert asyncio.run(noticed("tc", "filter", "delete", *place))


def sent_by_qdisc(box: Box) -> int:
    """Packets that the shaper of eth1 has sent."""
    shown = json.loads(box("tc", "-json", "-statistics", "qdisc", "show", "dev", "eth1", "root"))
    return int(shown[0]["packets"])


def test_virtual_interfaces_as_they_are_made(gateway: Gateway, box: Box) -> None:
    """Checksums are left to the device, and there is no GRO: XDP loses everything, and hook auto takes TC."""
    lost = "the driver takes no redirected frames, so every frame that XDP sends there is lost"
    try:
        offloads(gateway, tx="on", gro="off")
        box("ip", "address", "add", "198.18.9.1/32", "dev", "lo")  # what it notices
        if gateway.hook == "xdp":
            assert seen_from(gateway, seconds=1) == ""
            is_found(gateway, lost, "major")
        for name in ("eth0", "eth1", "eth2"):
            gateway.commit(f"set interfaces {name} hook auto")
        assert {row.hook for row in gateway.snatd.client.interfaces()} == {"tc"}
        assert seen_from(gateway) in addresses("a")
        is_gone(gateway, lost)
        assert not [warning for warning in said(gateway) if "is virtual" in warning]
    finally:
        box("ip", "address", "delete", "198.18.9.1/32", "dev", "lo")
        offloads(gateway, tx="off", gro="on")
        gateway.reset()


def offloads(gateway: Gateway, *, tx: str, gro: str) -> None:
    """Set offloads of the hosts and of the ports that face the gateway."""
    lab = gateway.lab
    for node, port in (("client-a", "eth0"), ("server", "eth0"), ("server", "eth1")):
        lab[node].run("ethtool", "-K", port, "tx", tx)
    for node, port in (("lan", "gateway"), ("isp-a", "eth0"), ("isp-b", "eth0")):
        lab[node].run("ethtool", "-K", port, "gro", gro)


def test_filters_at_a_port_of_a_bridge(gateway: Gateway, box: Box) -> None:
    name = "eth2 is a port of bridge br7, so frames"
    filtered = "table bridge filter, chain FORWARD (hook forward, policy drop, 0 rules) is not applied"
    box("ip", "link", "add", "br7", "type", "bridge")
    try:
        box("ebtables", "-P", "FORWARD", "DROP")
        is_gone(gateway, filtered)
        box("ip", "link", "set", "eth2", "master", "br7")
        is_found(gateway, name, "minor")
        is_found(gateway, filtered, "minor")
    finally:
        box("ip", "link", "delete", "br7")
        box("ebtables", "-P", "FORWARD", "ACCEPT")
    is_gone(gateway, name)


def test_exempt_packets_get_to_a_proxy(gateway: Gateway, box: Box) -> None:
    page = gateway.lab.folder / "proxy" / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("by the proxy")
    serving = ("-m", "http.server", "--directory", str(page.parent), "3128")
    proxy = gateway.lab.spawn("gateway", sys.executable, *serving, log="proxy.log")
    box("nft", "-f", "-", stdin=PROXY)
    try:
        wait_listening(gateway.lab["gateway"], {("tcp", "0.0.0.0", 3128)}, 10)
        assert seen_from(gateway) in addresses("a")
        gateway.commit("set rules 5 source 192.168.40.9/32", "set rules 5 action exempt")
        shown = gateway.client.run("curl", "-sS", "--max-time", "5", f"http://{VIA_A}/").stdout
        assert shown == "by the proxy"
    finally:
        proxy.kill()
        proxy.wait()
        gateway.reset()


def test_filters_of_a_bridge_with_a_role(gateway: Gateway, box: Box) -> None:
    try:
        box("ip", "link", "add", "br7", "type", "bridge")
        box("ip", "link", "set", "br7", "up")
        box("ip", "address", "delete", "192.168.40.1/24", "dev", "eth0")
        box("ip", "link", "set", "eth0", "master", "br7")
        box("ip", "address", "add", "192.168.40.1/24", "dev", "br7")
        gateway.client.run("ip", "neighbour", "flush", "dev", "eth0")
        gateway.commit("delete interfaces eth0", "set interfaces br7 role inside")
        wait(lambda: seen_from(gateway, seconds=1) in addresses("a"), "translated")
        box("ebtables", "-A", "INPUT", "-p", "IPv4", "--ip-proto", "tcp", "-j", "DROP")
        assert seen_from(gateway, seconds=1) == "", "followed"
        assert not [warning for warning in said(gateway) if "bridge" in warning]
    finally:
        box("ebtables", "-F", "INPUT")
        box("ip", "link", "delete", "br7")
        box("ip", "address", "add", "192.168.40.1/24", "dev", "eth0")
        gateway.client.run("ip", "neighbour", "flush", "dev", "eth0")
        gateway.reset()


def test_captures(gateway: Gateway) -> None:
    """XDP takes frames before tcpdump sees them."""
    asked = 3
    with Watch(gateway.lab["gateway"], "eth1", f"udp and src host {VIA_A}") as watch:
        for _ in range(asked):
            assert udp_seen_from(gateway) in addresses("a")
        expected = 0 if gateway.hook == "xdp" else asked
        wait(lambda: watch.count() >= expected, "captured")
        assert watch.count() == expected
