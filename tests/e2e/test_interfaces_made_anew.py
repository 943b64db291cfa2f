# SPDX-License-Identifier: Apache-2.0
"""Interfaces that are made anew or renamed while snatd is away: nothing leaves with an inside address."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import INSIDE_PREFIX
from snatsh.lab.watch import Watch
from tests.e2e.flow_stream import Stream
from tests.e2e.harness import Gateway, addresses
from tests.waiting import wait

SERVER = "203.0.113.9"


def index_of(lab: Lab, interface: str) -> str:
    with lab["gateway"].entered():
        return str(socket.if_nametoindex(interface))


def made_anew(lab: Lab, interface: str, index: str) -> None:
    """Delete an outside interface and make it again, its peer with it."""
    box, provider = lab["gateway"], lab["isp-b"]
    peer = ("type", "veth", "peer", "name", "eth0", "netns", provider.name)
    box.run("ip", "link", "delete", interface)
    box.run("ip", "link", "add", interface, "index", index, *peer)
    box.run("ethtool", "-K", interface, "tx", "off")
    provider.run("ethtool", "-K", "eth0", "tx", "off", "gro", "on")
    provider.run("ip", "address", "add", "1.1.3.1/24", "dev", "eth0")
    provider.run("ip", "link", "set", "eth0", "up")
    box.run("ip", "address", "add", "1.1.3.2/24", "dev", interface)


def with_its_index(lab: Lab) -> None:
    made_anew(lab, "eth2", index_of(lab, "eth2"))


def with_a_lower_index(lab: Lab) -> None:
    made_anew(lab, "eth2", "1000")


CHANGES: dict[str, Callable[[Lab], None]] = {
    "made anew with its index": with_its_index,
    "made anew with a lower index": with_a_lower_index,
}


def seen_from(gateway: Gateway, server: str = SERVER) -> str:
    done = gateway.client.run("curl", "-sS", "--max-time", "3", f"http://{server}/", check=False)
    return done.stdout.strip().partition(":")[0].partition(" ")[0]


@pytest.mark.parametrize("change", CHANGES)
def test_recreated_outside_interface_sends_nothing_untranslated(fresh_gateway: Gateway, change: str) -> None:
    snatd, box = fresh_gateway.snatd, fresh_gateway.lab["gateway"]
    box.run("ip", "link", "add", "unused", "index", "2000", "type", "bridge")
    fresh_gateway.commit("set system host-name seen")  # and with it the newest interface
    snatd.kill()
    CHANGES[change](fresh_gateway.lab)
    with Watch(fresh_gateway.lab["isp-b"], "eth0", f"ip src net {INSIDE_PREFIX}") as untranslated:
        with Stream(fresh_gateway.client, SERVER, every=0.005):
            box.run("ip", "link", "set", "eth2", "up")
            box.run("ip", "route", "add", "203.0.113.0/24", "via", "1.1.3.1")
            snatd.start()
            wait(lambda: seen_from(fresh_gateway) in addresses("b"), "translated again")
        assert untranslated.count() == 0, untranslated.example()


def test_renamed_interface_keeps_role_and_guard(fresh_gateway: Gateway) -> None:
    snatd, box = fresh_gateway.snatd, fresh_gateway.lab["gateway"]
    snatd.kill()
    expression = f"ip src net {INSIDE_PREFIX}"
    with (
        Watch(fresh_gateway.lab["isp-a"], "eth0", expression) as by_a,
        Watch(fresh_gateway.lab["isp-b"], "eth0", expression) as by_b,
        Stream(fresh_gateway.client, SERVER, every=0.005),
    ):
        for name, renamed in (("eth0", "lan0"), ("eth2", "wan2")):
            box.run("ip", "link", "set", name, "down")
            box.run("ip", "link", "set", name, "name", renamed)
            box.run("ip", "link", "set", renamed, "up")
        box.run("ip", "route", "add", "203.0.113.0/24", "via", "1.1.3.1")
        snatd.start()
        wait(lambda: seen_from(fresh_gateway, "8.8.8.8") in addresses("a"), "translated still")
        box.run("ip", "link", "set", "eth1", "mtu", "1400")  # a change that snatd follows
        wait(lambda: seen_from(fresh_gateway, "8.8.8.8") in addresses("a"), "translated still")
        assert (by_a.count(), by_b.count()) == (0, 0)
    missing = [row.name for row in snatd.client.interfaces() if row.state == "missing"]
    assert missing == ["eth0", "eth2"]
    said = [alarm.text for alarm in snatd.client.alarms().alarms]
    assert "interface eth0 is missing" in said
    assert "interface eth2 is missing" in said
