# SPDX-License-Identifier: Apache-2.0
"""Links on devices without an Ethernet header, such as PPP."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from snatsh.client import Rejected
from snatsh.lab.namespaces import Namespace
from snatsh.lab.services import ECHO_PORT
from snatsh.lab.watch import Watch
from tests.e2e import datagrams
from tests.e2e.harness import VIA_A, VIA_B, Gateway, document
from tests.e2e.link_failures import A, commit, row, seen_from, wait, wait_state
from tests.e2e.point_to_point import Tunnel

PEER = "10.64.0.1"
MTU = 1400


def dial(gateway: Gateway, own: str, peer: str = PEER) -> Tunnel:
    """A session with isp-b, whose addresses the server knows the way to."""
    return Tunnel("ppp0", (gateway.lab["gateway"], own), (gateway.lab["isp-b"], peer), MTU)


def by_tunnel(hook: str) -> dict[str, Any]:
    """All traffic by ppp0, from its own address, to whoever is at the other end; isp-a stands by."""
    wanted = document(hook)
    del wanted["interfaces"]["eth2"], wanted["links"]["isp-b"], wanted["rules"]["20"]
    wanted["interfaces"]["ppp0"] = {"role": "outside"}
    monitor = {"icmp": {"target": [VIA_B]}, "interval": 100}
    wanted["links"]["dsl"] = {"interface": "ppp0", "hold-down": 0, "monitor": monitor, "backup": "isp-a"}
    wanted["links"]["isp-a"]["pool"] = "a"
    wanted["pools"] = {
        "own": {"interface-address": "ppp0", "ports": "20000-29999"},
        "a": wanted["pools"]["a"],
    }
    wanted["rules"]["10"] = {"source": "192.168.40.0/24", "out-interface": "ppp0", "pool": "own"}
    return wanted


def mapped(gateway: Gateway) -> set[str]:
    return {flow.mapped for flow in gateway.snatd.client.flows().flows}


@pytest.fixture
def line(gateway: Gateway) -> Iterator[Gateway]:
    """Nothing comes untranslated to the far end of it."""
    gateway.lab["server"].run("ip", "route", "replace", "10.64.0.0/24", "via", "198.18.2.1")
    with Watch(gateway.lab["server"], "eth1", "ip src net 192.168.40.0/24") as untranslated:
        yield gateway
        assert untranslated.count() == 0, untranslated.example()


def port_seen(host: Namespace, port: int) -> int:
    """The source port that the echo server sees of a datagram from this port of a host."""
    with host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        asking.bind(("", port))
        asking.sendto(b"x", (VIA_A, ECHO_PORT))
        return int(asking.recv(100).split()[1])


def test_traffic_over_a_link_without_ethernet_headers(line: Gateway) -> None:
    gateway, box, client = line, line.lab["gateway"], line.client
    with dial(gateway, "10.64.0.2"):
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        commit(gateway, by_tunnel(gateway.hook))
        wait(lambda: seen_from(gateway) == "10.64.0.2", "the address of the session")
        got = client.run("curl", "-sS", "--max-time", "20", f"http://{VIA_A}/bytes/2000000")
        assert len(got.stdout) == 2_000_000
        assert "1 received" in client.run("ping", "-c", "1", "-W", "2", VIA_A).stdout
        # What the stack says of a packet that is too big, or too old, and what comes in for no flow.
        large = client.run("ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1450", VIA_A, check=False)
        assert f"mtu = {MTU}" in large.stdout + large.stderr
        parts = client.run("ping", "-c", "1", "-W", "2", "-M", "dont", "-s", "3000", VIA_A, check=False)
        assert "1 received" in parts.stdout
        hops = client.run("traceroute", "-n", "-q", "1", "-w", "2", "-m", "4", VIA_A).stdout
        assert PEER in hops
        assert VIA_A in hops.splitlines()[-1]
        box.run("ping", "-c", "1", "-W", "2", PEER)  # the box itself by the same address
        assert port_seen(client, 25_000) == 25_000
        assert port_seen(box, 25_000) != 25_000, "and from a port that a flow has"
        wait_state(gateway, "up", "dsl")
        wait(lambda: row(gateway, "dsl").rtt is not None, "round trips")
        assert row(gateway, "dsl").next_hop == PEER


@pytest.mark.parametrize("size", [20, 3000], ids=["whole", "fragments"])
def test_subscribers_reach_each_other_by_the_address_of_a_ppp_session(line: Gateway, size: int) -> None:
    """RFC 4787, REQ-9: what re-enters by the device has no Ethernet header either."""
    gateway, box = line, line.lab["gateway"]
    wanted = by_tunnel(gateway.hook)
    wanted["rules"]["10"] |= {"mapping": "endpoint-independent", "filtering": "endpoint-independent"}
    with dial(gateway, "10.64.0.2"):
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        commit(gateway, wanted)
        wait(lambda: seen_from(gateway) == "10.64.0.2", "the address of the session")
        with (
            datagrams.udp_socket(gateway.client) as one,
            datagrams.udp_socket(gateway.other_client) as other,
        ):
            assert datagrams.mapped(one, VIA_A)[0] == datagrams.mapped(other, VIA_A)[0] == "10.64.0.2"
            datagrams.converse(one, other, 5, size, VIA_A)


def test_each_ppp_session_has_its_address(line: Gateway) -> None:
    gateway, box = line, line.lab["gateway"]
    with dial(gateway, "10.64.0.2"):
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        commit(gateway, by_tunnel(gateway.hook))
        wait(lambda: seen_from(gateway) == "10.64.0.2", "the address of the session")
    wait(lambda: "ppp0 is missing" in row(gateway, "dsl").reason, "the end of the session")
    with dial(gateway, "10.64.0.7", "10.64.0.5"):
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        wait_state(gateway, "up", "dsl")
        wait(lambda: seen_from(gateway) == "10.64.0.7", "the address of the next session")
        wait(lambda: row(gateway, "dsl").next_hop == "10.64.0.5", "the other end of the next session")
        wait(lambda: "10.64.0.2" not in mapped(gateway), "flows of the session before ended")


def test_nothing_leaves_by_an_unknown_ppp_interface(line: Gateway) -> None:
    """The interface is new, so no guard is on it."""
    gateway, box = line, line.lab["gateway"]
    with dial(gateway, "10.64.0.2"):
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        commit(gateway, by_tunnel(gateway.hook))
        wait(lambda: seen_from(gateway) == "10.64.0.2", "the address of the session")
    before = gateway.drops()["leak-guard"]
    gateway.snatd.kill()
    with dial(gateway, "10.64.0.7"):
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        assert seen_from(gateway) == ""
        gateway.snatd.start()
        assert gateway.drops()["leak-guard"] > before
        wait(lambda: seen_from(gateway) == "10.64.0.7", "the address of the next session")


def test_failover_to_and_from_a_link_without_ethernet(line: Gateway) -> None:
    """Redirected to the other end of the line, from a route that goes another way, and back."""
    gateway, box = line, line.lab["gateway"]
    wanted = by_tunnel(gateway.hook)
    wanted["links"]["dsl"]["pool"] = "own"
    wanted["links"]["isp-a"]["backup"] = "dsl"
    wanted["rules"]["20"] = {"source": "192.168.40.0/24", "out-interface": "eth1", "pool": "a"}
    with dial(gateway, "10.64.0.2"):
        commit(gateway, wanted)
        wait(lambda: seen_from(gateway) in A, "isp-a")
        gateway.snatd.shell("request link isp-a down")
        wait(lambda: seen_from(gateway) == "10.64.0.2", "the line instead of isp-a")
        got = gateway.client.run("curl", "-sS", "--max-time", "20", f"http://{VIA_A}/bytes/200000")
        assert len(got.stdout) == 200_000
        gateway.snatd.shell("request link isp-a up")
        box.run("ip", "route", "add", VIA_A, "dev", "ppp0")
        wait(lambda: seen_from(gateway) == "10.64.0.2", "the line by its route")
        gateway.snatd.shell("request link dsl down")
        wait(lambda: seen_from(gateway) in A, "isp-a instead of the line")
        gateway.snatd.shell("request link dsl up")


def test_unsupported_settings_of_headerless_interfaces_are_refused(line: Gateway) -> None:
    gateway, client = line, line.snatd.client
    with dial(gateway, "10.64.0.2"):
        for interface, words in (
            ({"role": "outside", "hook": "xdp"}, "no Ethernet header for XDP; expected auto or tc"),
            ({"role": "inside"}, "expected an Ethernet device inside"),
        ):
            wanted = by_tunnel(gateway.hook)
            wanted["interfaces"]["ppp0"] = interface
            client.replace_candidate(wanted)
            with pytest.raises(Rejected, match=words):
                client.commit(check=True)
        wanted = by_tunnel(gateway.hook)
        wanted["links"]["dsl"]["monitor"] = {"arp": {"target": [PEER]}}
        client.replace_candidate(wanted)
        with pytest.raises(Rejected, match="ppp0 has no ARP"):
            client.commit(check=True)
