# SPDX-License-Identifier: Apache-2.0
"""A host that gets another MAC address and says nothing is found again, as by plain forwarding."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from snatsh.lab.topology import CLIENTS
from tests import waiting
from tests.e2e.harness import VIA_A, Gateway

wait = partial(waiting.wait, seconds=40.0)

# By side: the node, the host's address there, and where it sends to, or a client does.
HOSTS = {"inside": ("client-a", "192.168.40.77", VIA_A), "outside": ("isp-a", "1.1.2.77", "1.1.2.77")}
FAST = {"base_reachable_time_ms": 3000, "delay_first_probe_time": 1, "retrans_time_ms": 200}


class Host:
    """A station of its own on the segment of a node, which does not send by it: it only replies to ARP."""

    def __init__(self, gateway: Gateway, side: str) -> None:
        self._node, self.address, self.target = HOSTS[side]
        self._lab = gateway.lab
        self.run = gateway.lab[self._node].run
        for setting in ("arp_ignore=1", "arp_announce=2"):
            self.run("sysctl", "-qw", f"net.ipv4.conf.all.{setting}")
        self.run("ip", "link", "add", "host", "link", "eth0", "type", "macvlan", "mode", "bridge")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "host", "noprefixroute")
        self.run("ip", "link", "set", "host", "up")

    def change_mac(self) -> None:
        self.run("ip", "link", "set", "host", "address", "02:00:00:00:77:77")

    def remove(self) -> None:
        self.run("ip", "link", "delete", "host")


class Pings:
    """One flow with the host for as long as the test takes."""

    def __init__(self, gateway: Gateway, host: Host) -> None:
        source = host.address if host.target == VIA_A else CLIENTS["client-a"]
        self._log = gateway.lab.folder / f"pings-{host.address}.log"
        command = ("ping", "-i", "0.1", "-w", "90", "-I", source, host.target)
        self._process = gateway.lab.spawn("client-a", *command, log=self._log.name)

    @property
    def replies(self) -> int:
        return self._log.read_text().count("bytes from")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def hosts(gateway: Gateway) -> Iterator[list[Host]]:
    for interface in ("eth0", "eth1"):
        for name, value in FAST.items():
            gateway.lab["gateway"].run("sysctl", "-qw", f"net.ipv4.neigh.{interface}.{name}={value}")
    hosts = [Host(gateway, side) for side in HOSTS]
    yield hosts
    for host in hosts:
        host.remove()


def is_stale(gateway: Gateway, address: str) -> bool:
    """Whether the kernel has not used the neighbor for a while."""
    return "STALE" in gateway.lab["gateway"].run("ip", "neighbour", "show", "to", address).stdout


def test_silent_change_of_mac_address_is_noticed(gateway: Gateway, hosts: list[Host]) -> None:
    waiting_for = {host: Pings(gateway, host) for host in hosts}
    before: dict[Host, int] = {}

    def changed(host: Host) -> bool:
        pings = waiting_for[host]
        if host not in before and pings.replies > 5 and is_stale(gateway, host.address):
            host.change_mac()
            before[host] = pings.replies + 2  # those that are under way
        return host in before

    wait(lambda: [*filter(changed, hosts)] == hosts, "hosts that the kernel ignores, though they reply")
    wait(lambda: all(waiting_for[host].replies > before[host] + 5 for host in hosts), "replies again")
    for pings in waiting_for.values():
        pings.stop()
