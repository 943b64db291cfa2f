# SPDX-License-Identifier: Apache-2.0
"""Monitored providers and the ways in which one of them fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from snatsh.api.links import LinkRow
from tests import waiting
from tests.e2e import harness
from tests.e2e.harness import VIA_A, VIA_B, Gateway, addresses, document

A, B = addresses("a"), addresses("b")
OWN = {"isp-a": ["1.1.2.2"], "isp-b": ["1.1.3.2"]}  # what probes are sent from

Repair = Callable[[], object]


wait = partial(waiting.wait, seconds=15.0)
seen_from = partial(harness.seen_from, seconds=1.0)


def with_monitors(hook: str, hold_down: int = 1, **monitor: Any) -> dict[str, Any]:
    """Two providers that stand in for each other, each probed at an address that routing gives the other."""
    wanted = document(hook)
    for name, other, pool, target in (("isp-a", "isp-b", "a", VIA_B), ("isp-b", "isp-a", "b", VIA_A)):
        probes = {"icmp": {"target": [target]}, "interval": 100, "fail": 3, "rise": 3, **monitor}
        wanted["links"][name] |= {
            "backup": other,
            "pool": pool,
            "hold-down": hold_down,
            "hold-down-limit": hold_down,
            "monitor": probes,
        }
    return wanted


def commit(gateway: Gateway, wanted: dict[str, Any]) -> None:
    gateway.snatd.client.replace_candidate(wanted)
    gateway.snatd.client.commit()


def row(gateway: Gateway, name: str = "isp-a") -> LinkRow:
    return next(one for one in gateway.snatd.client.links() if one.name == name)


def wait_state(gateway: Gateway, state: str, name: str = "isp-a", seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while (found := row(gateway, name)).state != state:
        assert time.monotonic() < deadline, f"not {state} within {seconds:g} s: {found}"
        time.sleep(0.02)


def is_seen_as(gateway: Gateway, address: str) -> bool:
    return seen_from(gateway) == address


def cable_down(gateway: Gateway, provider: str = "isp-a") -> Repair:
    gateway.lab[provider].run("ip", "link", "set", "eth0", "down")
    return lambda: gateway.lab[provider].run("ip", "link", "set", "eth0", "up")


def gateway_dead(gateway: Gateway) -> Repair:
    """Keep the carrier up while no host replies or forwards."""
    provider = gateway.lab["isp-a"]
    provider.sysctl({"ipv4/ip_forward": "0"})
    provider.run("ip", "address", "del", "1.1.2.1/24", "dev", "eth0")

    def repair() -> None:
        provider.run("ip", "address", "add", "1.1.2.1/24", "dev", "eth0")
        provider.sysctl({"ipv4/ip_forward": "1"})

    return repair


def target_dead(gateway: Gateway) -> Repair:
    """The provider is there, and nothing behind it."""
    provider = gateway.lab["isp-a"]
    provider.run("ip", "link", "set", "eth1", "down")

    def repair() -> None:
        provider.run("ip", "link", "set", "eth1", "up")
        provider.run("ip", "route", "replace", "default", "via", "198.18.1.2")

    return repair


def packets_lost(gateway: Gateway, share: float) -> Repair:
    """The provider loses a part of what it forwards."""
    provider = gateway.lab["isp-a"]
    rule = ("FORWARD", "-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")
    provider.run("iptables", "-A", *rule)
    return lambda: provider.run("iptables", "-D", *rule)
