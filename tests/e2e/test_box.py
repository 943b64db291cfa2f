# SPDX-License-Identifier: Apache-2.0
"""What of the Linux host translated packets pass by is said by name: by `commit check`, and as an alarm."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from snatsh.lab.services import ECHO_PORT, wait_listening
from snatsh.lab.watch import Watch
from tests.e2e.harness import VIA_A, Gateway, addresses, document, seen_from
from tests.waiting import wait


@pytest.fixture
def box(gateway: Gateway) -> Iterator[Callable[..., str]]:
    """Run a command on the gateway."""

    def run(*argv: str, stdin: str | None = None) -> str:
        return gateway.lab["gateway"].run(*argv, stdin=stdin).stdout

    yield run
    run("nft", "flush", "ruleset")
    for table in ("filter", "mangle", "nat"):
        run("iptables-legacy", "-t", table, "-F")
    run("iptables-legacy", "-P", "FORWARD", "ACCEPT")


def alarms(gateway: Gateway) -> dict[str, str]:
    """The alarms by their text, with their class."""
    return {alarm.text: alarm.severity for alarm in gateway.snatd.client.alarms().alarms}


def said(gateway: Gateway) -> list[str]:
    """The warnings of `commit check`."""
    return [f"{' '.join(row.path)} {row.reason}" for row in gateway.snatd.client.commit(check=True).warnings]


def is_found(gateway: Gateway, text: str, severity: str = "") -> None:
    """A warning and, with a class, an alarm of it have this text."""
    assert [warning for warning in said(gateway) if text in warning], (text, said(gateway))
    expected = {severity} if severity else set()
    wait(lambda: {found for alarm, found in alarms(gateway).items() if text in alarm} == expected, text)


def is_gone(gateway: Gateway, text: str) -> None:
    assert not [warning for warning in said(gateway) if text in warning]
    wait(lambda: not [alarm for alarm in alarms(gateway) if text in alarm], f"no alarm: {text}")


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


def test_forward_chain_of_nft(gateway: Gateway, box: Callable[..., str]) -> None:
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
def test_forward_chain_of_iptables(gateway: Gateway, box: Callable[..., str], program: str) -> None:
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


def test_chains_before_and_after_routing(gateway: Gateway, box: Callable[..., str]) -> None:
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


def test_chains_of_a_device(gateway: Gateway, box: Callable[..., str]) -> None:
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


def test_transparent_proxies(gateway: Gateway, box: Callable[..., str]) -> None:
    """Port forwarding by an address of the gateway is no proxy, nor is what is for the outside."""
    box("nft", "-f", "-", stdin=PROXY)
    is_found(gateway, ": tproxy does not get", "major")
    is_found(gateway, ": redirect does not get", "major")
    proxies = [warning for warning in said(gateway) if "does not get translated packets" in warning]
    assert len(proxies) == 2, proxies
    assert "interfaces eth0 table ip proxy, chain transparent, handle" in proxies[0]
    assert "table ip proxy, chain here, handle" in proxies[1]
    assert seen_from(gateway) in addresses("a"), "as it says: from the server itself"


def test_shaper_and_filters(gateway: Gateway, box: Callable[..., str]) -> None:
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


def sent_by_qdisc(box: Callable[..., str]) -> int:
    """Packets that the shaper of eth1 has sent."""
    shown = json.loads(box("tc", "-json", "-statistics", "qdisc", "show", "dev", "eth1", "root"))
    return int(shown[0]["packets"])


def test_virtual_interfaces_as_they_are_made(gateway: Gateway, box: Callable[..., str]) -> None:
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


@pytest.fixture
def by_isp_b(box: Callable[..., str]) -> Iterator[Callable[..., None]]:
    """Add a policy rule with this selector, by which packets leave by isp-b."""
    box("ip", "route", "add", "default", "via", "1.1.3.1", "table", "7")

    def add(*selector: str) -> None:
        box("ip", "rule", "add", "priority", "100", *selector, "lookup", "7")

    yield add
    box("ip", "route", "flush", "table", "7")
    box("ip", "rule", "delete", "priority", "100")


def udp_seen_from(gateway: Gateway, tos: int = 0) -> str:
    """The source address that the server sees of a new UDP flow."""
    with gateway.client.entered():
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asking:
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        asking.settimeout(0.5)
        for _ in range(20):
            with suppress(TimeoutError):
                asking.sendto(b"x", (VIA_A, ECHO_PORT))
                return asking.recv(100).decode().split()[0]
    return ""


def verdict(gateway: Gateway, *options: str) -> str:
    packet = ("test packet source 192.168.40.9 destination", VIA_A, "protocol tcp destination-port", *options)
    return gateway.snatd.shell(" ".join(packet)).stdout


@pytest.mark.parametrize("selector", ["ipproto tcp", "dport 80", "ipproto tcp sport 1024-65534 dport 80"])
def test_policy_rules_by_protocol_and_ports(
    gateway: Gateway, by_isp_b: Callable[..., None], selector: str
) -> None:
    by_isp_b("iif", "eth0", *selector.split())
    wait(lambda: seen_from(gateway) in addresses("b"), "followed")
    assert udp_seen_from(gateway) in addresses("a")
    assert "Next hop:  1.1.3.1" in verdict(gateway, "80 source-port 40000")
    assert ("Next hop:  1.1.3.1" in verdict(gateway, "81")) == (selector == "ipproto tcp")
    assert not [warning for warning in said(gateway) if "ip rule" in warning]


@pytest.mark.parametrize("by", ["rule", "route"])
def test_type_of_service(gateway: Gateway, box: Callable[..., str], by: str) -> None:
    if by == "rule":
        box("ip", "route", "add", "default", "via", "1.1.3.1", "table", "7")
        box("ip", "rule", "add", "priority", "100", "tos", "0x10", "lookup", "7")
    else:
        box("ip", "route", "add", "default", "tos", "0x10", "via", "1.1.3.1")
    try:
        wait(lambda: udp_seen_from(gateway, 0x10) in addresses("b"), "followed")
        assert udp_seen_from(gateway) in addresses("a")
    finally:
        if by == "rule":
            box("ip", "route", "flush", "table", "7")
            box("ip", "rule", "delete", "priority", "100")
        else:
            box("ip", "route", "delete", "default", "tos", "0x10", "via", "1.1.3.1")


MARKS = """
table ip marks {
    chain early {
        type filter hook prerouting priority mangle; policy accept;
        tcp dport 80 meta mark set 7
    }
}
"""


def test_policy_rules_by_mark(
    gateway: Gateway, box: Callable[..., str], by_isp_b: Callable[..., None]
) -> None:
    """They matter where something sets marks."""
    by_isp_b("fwmark", "7", "iif", "eth0")
    assert not [warning for warning in said(gateway) if "ip rule" in warning]
    box("nft", "-f", "-", stdin=MARKS)
    name = "ip rule 100: from all fwmark 0x7 iif eth0 lookup 7 is not followed"
    is_found(gateway, name, "major")
    assert seen_from(gateway) in addresses("a"), "as it says"
    text = verdict(gateway, "80 mark 7")
    assert "Next hop:  1.1.2.1" in text
    assert "the kernel would route a packet with mark 0x7 by eth2 to 1.1.3.1" in text
    assert name in text


def test_forwarding_is_switched_off(gateway: Gateway) -> None:
    try:
        for where, text in (("ip_forward", "ip_forward is off"), ("conf/eth0/forwarding", "forwarding is 0")):
            gateway.lab["gateway"].sysctl({f"ipv4/{where}": "0"})
            wait(lambda: [one for one in alarms(gateway).items() if text in one[0]], text)  # noqa: B023
            assert {found for alarm, found in alarms(gateway).items() if text in alarm} == {"major"}
            gateway.lab["gateway"].sysctl({"ipv4/ip_forward": "1"})
    finally:
        gateway.lab["gateway"].sysctl({"ipv4/ip_forward": "1", "ipv4/conf/eth0/forwarding": "1"})
    wait(lambda: alarms(gateway) == {}, "no alarm")


def test_strict_reverse_path_filter(gateway: Gateway) -> None:
    gateway.lab["gateway"].sysctl({"ipv4/conf/eth2/rp_filter": "1"})
    try:
        assert not [warning for warning in said(gateway) if "reverse path" in warning]
        client = gateway.snatd.client
        client.replace_candidate(
            {**document(gateway.hook), "rules": {"10": {"pool": "b", "redirect": "1.1.3.1"}}}
        )
        strict = [row for row in client.commit(check=True).warnings if "reverse path filter" in row.reason]
        assert [row.path for row in strict] == [["interfaces", "eth2"]]
    finally:
        gateway.lab["gateway"].sysctl({"ipv4/conf/eth2/rp_filter": "0"})
        client.replace_candidate(document(gateway.hook))


@pytest.mark.parametrize("by", ["multipath", "nexthop object"])
def test_several_next_hops_of_a_route(gateway: Gateway, box: Callable[..., str], by: str) -> None:
    """Flows are spread by the kernel's hash, here of layer 4, and get an address of the provider."""
    gateway.lab["gateway"].sysctl({"ipv4/fib_multipath_hash_policy": "1"})
    hops = (("1.1.2.1", "eth1"), ("1.1.3.1", "eth2"))
    if by == "multipath":
        spread = [word for hop, dev in hops for word in ("nexthop", "via", hop, "dev", dev)]
    else:
        for number, (hop, dev) in enumerate(hops, 1):
            box("ip", "nexthop", "add", "id", f"{number}", "via", hop, "dev", dev)
        box("ip", "nexthop", "add", "id", "3", "group", "1/2")
        spread = ["nhid", "3"]
    try:
        box("ip", "route", "add", f"{VIA_A}/32", *spread)
        seen: set[str] = set()

        def is_spread() -> bool:
            seen.add(udp_seen_from(gateway))
            return bool(seen & addresses("a")) and bool(seen & addresses("b"))

        wait(is_spread, "flows by both providers")
        assert seen <= addresses("a", "b")
    finally:
        if by == "multipath":
            box("ip", "route", "delete", f"{VIA_A}/32")
        else:
            box("ip", "nexthop", "flush")  # and the route with them
        gateway.lab["gateway"].sysctl({"ipv4/fib_multipath_hash_policy": "0"})


def test_filters_at_a_port_of_a_bridge(gateway: Gateway, box: Callable[..., str]) -> None:
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


def test_ipsec_policies(gateway: Gateway, box: Callable[..., str]) -> None:
    """A rule that exempts what they are for leaves it to them."""
    selector = ("src", "192.168.40.0/24", "dst", "8.8.8.0/24", "dir", "out")
    own = ("src", "1.1.2.2/32", "dst", "8.8.8.0/24", "dir", "out")
    tunnel = ("tmpl", "src", "1.1.2.2", "dst", "8.8.8.8", "proto", "esp", "mode", "tunnel")
    for policy in (selector, own):
        box("ip", "xfrm", "policy", "add", *policy, *tunnel)
    try:
        name = "the IPsec policy from 192.168.40.0/24 to 8.8.8.0/24 is not applied"
        is_found(gateway, name, "major")
        assert len([warning for warning in said(gateway) if "IPsec" in warning]) == 1
        gateway.commit(
            "set rules 5 source 192.168.0.0/16",
            "set rules 5 destination 8.8.8.0/24",
            "set rules 5 action exempt",
        )
        is_gone(gateway, name)
    finally:
        box("ip", "xfrm", "policy", "flush")
        gateway.reset()


def test_exempt_packets_get_to_a_proxy(gateway: Gateway, box: Callable[..., str]) -> None:
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


def test_filters_of_a_bridge_with_a_role(gateway: Gateway, box: Callable[..., str]) -> None:
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
