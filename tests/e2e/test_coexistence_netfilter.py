# SPDX-License-Identifier: Apache-2.0
"""Coexistence with a load balancer, port forwarding and traffic to the gateway itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from snatsh.lab.namespaces import LabError
from snatsh.lab.services import HTTP_PORT, wait_listening
from tests.e2e.harness import Gateway, addresses, no_leak

VIP = "1.1.2.50"
OWN = {"isp-a": (VIP, "1.1.2.2")}
SERVER = "8.8.8.8"
BACKEND = "192.168.40.10"
HAPROXY = f"""
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
frontend outside
    bind {VIP}:80
    default_backend inside
backend inside
    server one {BACKEND}:80
"""
FORWARDING = f"""
table ip forwarding {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        ip daddr 1.1.2.2 tcp dport 8080 dnat to {BACKEND}:80
    }}
}}
"""


@pytest.fixture(scope="module")
def backend(gateway: Gateway) -> Iterator[Gateway]:
    """A web server on an inside host, which tells whom it is asked by."""
    gateway.lab.spawn("client-b", sys.executable, "-m", "snatsh.lab.services", BACKEND, log="backend.log")
    wait_listening(gateway.lab["client-b"], {("tcp", BACKEND, HTTP_PORT)}, 10)
    yield gateway


def asked_by(gateway: Gateway, node: str, server: str) -> str:
    """The address that a web server sees of a request from this node."""
    page = gateway.lab[node].run("curl", "-sS", "--max-time", "5", f"http://{server}/").stdout
    return page.replace(":", " ").split()[0]


def test_haproxy_with_its_address_on_an_outside_interface(backend: Gateway) -> None:
    lab = backend.lab
    lab["gateway"].run("ip", "address", "add", f"{VIP}/24", "dev", "eth1")
    configuration = lab.folder / "haproxy.cfg"
    configuration.write_text(HAPROXY)
    lab.spawn("gateway", "haproxy", "-db", "-f", str(configuration), log="haproxy.log")
    wait_listening(lab["gateway"], {("tcp", VIP, 80)}, 10)
    with no_leak(backend.lab, OWN):
        for _ in range(20):
            assert asked_by(backend, "server", VIP) == "192.168.40.1", "HAProxy itself"
            assert asked_by(backend, "client-a", SERVER) in addresses("a"), "translation goes on beside it"


def test_port_forwarding_by_nftables(backend: Gateway) -> None:
    backend.lab["gateway"].run("nft", "-f", "-", stdin=FORWARDING)
    with no_leak(backend.lab, OWN):
        for _ in range(20):
            assert asked_by(backend, "server", "1.1.2.2:8080") == "198.18.1.2", "the client itself"
        assert asked_by(backend, "client-b", SERVER) in addresses("a"), "its own connections are translated"


def test_packets_to_the_gateway_are_passed_to_the_stack(backend: Gateway) -> None:
    pinged = backend.lab["server"].run("ping", "-c", "3", "-i", "0.2", "-W", "2", "1.1.2.2")
    assert "3 received" in pinged.stdout
    pinged = backend.client.run("ping", "-c", "3", "-i", "0.2", "-W", "2", "192.168.40.1")
    assert "3 received" in pinged.stdout


def test_other_source_nat_is_reported_by_commit_check(backend: Gateway) -> None:
    gateway = backend.lab["gateway"]
    gateway.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth1", "-j", "MASQUERADE")
    said = backend.snatd.shell("configure", "commit check").stdout
    assert "table ip nat, chain POSTROUTING" in said
    assert "masquerade translates sources too" in said
    gateway.run("iptables", "-t", "nat", "-F", "POSTROUTING")
    assert "translates sources" not in backend.snatd.shell("configure", "commit check").stdout
    with pytest.raises(LabError):
        gateway.run("iptables", "-t", "nat", "-C", "POSTROUTING", "-o", "eth1", "-j", "MASQUERADE")
