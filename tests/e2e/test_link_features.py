# SPDX-License-Identifier: Apache-2.0
"""Link groups, pools of an interface address, and notifications of link changes."""

from __future__ import annotations

import shutil
import socket
import stat
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from snatsh.api.configuration import Statement
from snatsh.client import Rejected
from snatsh.lab.namespaces import Namespace
from snatsh.lab.services import ECHO_PORT
from snatsh.lab.watch import Watch
from tests.e2e.dhcp import Dhcp
from tests.e2e.harness import VIA_A, Gateway, document, no_leak
from tests.e2e.link_failures import (
    OWN,
    A,
    B,
    cable_down,
    commit,
    is_seen_as,
    row,
    seen_from,
    wait,
    wait_state,
    with_monitors,
)

HOSTS = [f"192.168.40.{number}" for number in range(100, 140)]


@pytest.fixture(scope="module", params=["xdp"])
def hook(request: pytest.FixtureRequest) -> str:
    """The ways of a rule are held against the reference in every mode by the tests of the programs."""
    return str(request.param)


def seen_of(client: Namespace, source: str, port: int = 0) -> str:
    """The address that the server sees of a new flow from one of the client's addresses."""
    with client.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, port))
        sender.settimeout(2)
        for _ in range(3):
            sender.sendto(b"x", (VIA_A, ECHO_PORT))
            try:
                return sender.recv(512).split()[0].decode()
            except TimeoutError:
                continue
    return ""


def test_link_group_shares_load_and_keeps_subscribers_on_their_link(gateway: Gateway) -> None:
    wanted = with_monitors(gateway.hook)
    wanted["link-groups"] = {"wan": {"link": {"isp-a": {"weight": 3}, "isp-b": {"weight": 1}}}}
    wanted["rules"] = {"10": {"source": "192.168.40.0/24", "group": "wan"}}
    for host in HOSTS:
        gateway.client.run("ip", "address", "add", f"{host}/24", "dev", "eth0")
    commit(gateway, wanted)
    wait_state(gateway, "up")
    with no_leak(gateway.lab, OWN):
        first = {host: seen_of(gateway.client, host) for host in HOSTS}
        again = {host: seen_of(gateway.client, host) for host in HOSTS}
        repair = cable_down(gateway, "isp-b")
        wait(lambda: row(gateway, "isp-b").failed_over == [10], "the switch")
        without = {host: seen_of(gateway.client, host) for host in HOSTS}
        shown = gateway.snatd.shell("show rules").stdout
        repair()
        wait_state(gateway, "up", "isp-b")
        wait(lambda: row(gateway, "isp-b").failed_over == [], "the group whole again")
        back = {host: seen_of(gateway.client, host) for host in HOSTS}
    counts = Counter("a" if address in A else "b" for address in first.values())
    assert all(address in A | B for address in first.values())
    assert counts["a"] > counts["b"] >= 3
    assert first == again == back
    assert all(address in A for address in without.values())
    assert all(without[host] == address for host, address in first.items() if address in A)
    assert "isp-b failed over" in shown


def test_last_resort_is_used_when_no_other_link_is_up(gateway: Gateway) -> None:
    wanted = with_monitors(gateway.hook)
    members = {"isp-a": {"weight": 1}, "isp-b": {"use": "last-resort"}}
    wanted["link-groups"] = {"wan": {"link": members}}
    wanted["rules"] = {"10": {"source": "192.168.40.0/24", "group": "wan"}}
    commit(gateway, wanted)
    wait_state(gateway, "up")
    wait(lambda: seen_from(gateway) in A, "new flows by isp-a")
    repair = cable_down(gateway)
    wait(lambda: seen_from(gateway) in B, "new flows by the last resort")
    repair()
    wait_state(gateway, "up")
    wait(lambda: seen_from(gateway) in A, "new flows by isp-a")


def test_pool_follows_the_dhcp_address(fresh_gateway: Gateway) -> None:
    gateway, box = fresh_gateway, fresh_gateway.lab["gateway"]
    wanted = document(gateway.hook)
    wanted["pools"] = {"own": {"interface-address": "eth1"}, "b": wanted["pools"]["b"]}
    wanted["rules"]["10"]["pool"] = "own"
    commit(gateway, wanted)
    assert seen_from(gateway) == "1.1.2.2"
    dhcp = Dhcp(gateway.lab)
    with Watch(gateway.lab["isp-a"], "eth0", "ip src net 192.168.40.0/24") as untranslated:
        for address in ("1.1.2.70", "1.1.2.77"):
            dhcp.serve(address, "1.1.2.1")
            dhcp.ask()
            wait(partial(is_seen_as, gateway, address), f"the address {address}")
            box.run("ping", "-c", "1", "-W", "2", VIA_A)  # the box itself goes by the same address
        assert untranslated.count() == 0, untranslated.example()

    def used() -> set[str]:
        [pool] = [one for one in gateway.snatd.client.pools() if one.name == "own"]
        return {one.address for one in pool.usage}

    wait(lambda: used() == {"1.1.2.77"}, "the old addresses forgotten")
    mapped = {flow.mapped for flow in gateway.snatd.client.flows().flows}
    assert not mapped & {"1.1.2.2", "1.1.2.70"}
    shown = gateway.snatd.shell("show configuration | display set").stdout
    assert "set pools own interface-address eth1" in shown


def test_link_without_a_route_is_refused(fresh_gateway: Gateway) -> None:
    gateway, client = fresh_gateway, fresh_gateway.snatd.client
    gateway.lab["gateway"].run("ip", "route", "del", "203.0.113.0/24")
    with pytest.raises(Rejected, match="no route goes by it"):
        client.commit(check=True)
    client.edit([Statement("set", ["links", "isp-a", "backup", "isp-b"])])
    client.commit(check=True)  # packets come to it by isp-a's failure


def executable(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_events_reach_consoles_the_log_and_the_hook(fresh_gateway: Gateway) -> None:
    gateway, client = fresh_gateway, fresh_gateway.snatd.client
    output = gateway.lab.folder / "told"
    output.touch()
    shutil.chown(output, "nobody")
    hook = executable(
        gateway.lab.folder / "hook",
        f'echo "$1 $2 $SNATSH_BEFORE $SNATSH_USABLE/$SNATSH_LINKS $(id -un)" >>{output}',
    )
    wanted = with_monitors(gateway.hook)
    wanted["system"] = {"event-hook": {"command": str(hook), "timeout": 1}}
    commit(gateway, wanted)
    wait_state(gateway, "up")
    repair = cable_down(gateway)
    wait(
        lambda: output.exists() and "down isp-a up 1/2 nobody" in output.read_text(),
        "the hook called for isp-a down",
    )
    repair()
    wait(lambda: "up isp-a down 2/2 nobody" in output.read_text(), "the hook called for isp-a up")
    notices = [notice.text for notice in client.notices(after=1).notices]
    assert any(text.startswith("link isp-a is down: ") for text in notices)
    assert "link isp-a is down" in gateway.snatd.log.read_text()
    # One that hangs is ended, one that others may write is not run; failover waits for neither.
    executable(hook, f"sleep 600 & echo slow >>{output}; wait")
    repair = cable_down(gateway)
    wait(lambda: "killed after 1 s" in gateway.snatd.log.read_text(), "the time limit")
    assert seen_from(gateway) in B
    hook.chmod(hook.stat().st_mode | stat.S_IWOTH)
    repair()
    wait(lambda: "writable by others than root" in gateway.snatd.log.read_text(), "the refusal")
    assert output.read_text().count("slow") == 1
