# SPDX-License-Identifier: Apache-2.0
"""Two gateways with shared addresses, after the example in docs/keepalived, with a real keepalived."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from snatsh.lab import services
from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import Lab
from snatsh.lab.topology import Cable, LabNode, LabPort, LabRoute, Topology
from tests.e2e import datapaths
from tests.e2e.link_failures import wait

EXAMPLE = Path(__file__).parents[2] / "docs" / "keepalived"
GATEWAYS = ("gw1", "gw2")
INSIDE = {"gw1": "192.168.40.2", "gw2": "192.168.40.3"}
OUTSIDE = {"gw1": "1.1.2.3", "gw2": "1.1.2.4"}
CLIENTS = [f"192.168.40.{number}" for number in range(9, 21)]
SERVER = "8.8.8.8"
POOL = "198.51.100.0/28"


def network() -> Topology:
    """A client, two gateways side by side, and a provider that is the internet, too."""
    return Topology(
        nodes=(
            LabNode("client", routes=(LabRoute("default", "192.168.40.1"),)),
            LabNode("lan", bridges=("inside", "outside")),
            *(LabNode(name, forwards=True, routes=(LabRoute("default", "1.1.2.1"),)) for name in GATEWAYS),
            LabNode("isp", loopback=(SERVER,), routes=(LabRoute(POOL, "1.1.2.2"),)),
        ),
        cables=(
            Cable(LabPort("client", "eth0", f"{CLIENTS[0]}/24"), LabPort("lan", "client", bridge="inside")),
            *(
                Cable(
                    LabPort(name, "eth0", f"{INSIDE[name]}/24"),
                    LabPort("lan", f"{name}-in", bridge="inside", gro=True),
                )
                for name in GATEWAYS
            ),
            *(
                Cable(
                    LabPort(name, "eth1", f"{OUTSIDE[name]}/24"),
                    LabPort("lan", f"{name}-out", bridge="outside", gro=True),
                )
                for name in GATEWAYS
            ),
            Cable(LabPort("isp", "eth0", "1.1.2.1/24"), LabPort("lan", "isp", bridge="outside")),
        ),
    )


def profile(hook: Path) -> dict[str, object]:
    monitor = {"icmp": {"target": [SERVER]}, "interval": 100}
    link = {"interface": "eth1", "next-hop": "1.1.2.1", "hold-down": 0, "monitor": monitor}
    return {
        "system": {"event-hook": {"command": str(hook)}},
        "interfaces": {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}},
        "links": {"isp": link},
        "pools": {"a": {"address": [POOL], "announce": "none"}},
        "rules": {"10": {"source": "192.168.40.0/24", "pool": "a", "algorithm": "source-hash"}},
    }


@pytest.fixture
def pair() -> Iterator[tuple[Lab, dict[str, Snatd]]]:
    with Lab(network()) as lab:
        for address in CLIENTS[1:]:
            lab["client"].run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        lab.spawn("isp", sys.executable, "-m", "snatsh.lab.services", SERVER, log="services.log")
        services.wait_listening(lab["isp"], {("udp", SERVER, services.ECHO_PORT)}, 10)
        boxes = {name: Snatd(lab, name) for name in GATEWAYS}
        with datapaths.lent(boxes["gw1"], "auto"), datapaths.lent(boxes["gw2"], "auto"):
            for box in boxes.values():
                start(lab, box)
            yield lab, boxes


def start(lab: Lab, box: Snatd) -> None:
    """snatd and keepalived on one of the gateways."""
    name = box.node
    track = lab.folder / f"{name}-links"
    track.write_text("0\n")
    shutil.chown(track, "nobody")
    hook = lab.folder / f"{name}-hook"
    hook.write_text((EXAMPLE / "links-hook").read_text().replace("/etc/keepalived/links", str(track)))
    hook.chmod(0o755)
    written = lab.folder / f"{name}.yaml"
    written.write_text(yaml.safe_dump(profile(hook)))
    box.start(written)
    text = (EXAMPLE / "keepalived.conf").read_text().replace("/etc/keepalived/links", str(track))
    if name == "gw2":  # as its head says
        text = text.replace("state MASTER", "state BACKUP").replace("priority 150", "priority 100")
        for one, other in (INSIDE.values(), OUTSIDE.values()):
            text = (
                text.replace(f"{one}\n", "X\n").replace(f"{other}\n", f"{one}\n").replace("X\n", f"{other}\n")
            )
    config = lab.folder / f"{name}-keepalived.conf"
    config.write_text(text)
    pids = [f"--{kind}pid={lab.folder / f'{name}-{kind}.pid'}" for kind in ("", "vrrp_")]
    options = ("--dont-fork", "--log-console", "--no-syslog", "--vrrp", f"--use-file={config}", *pids)
    lab.spawn(name, "keepalived", *options, log=f"{name}-keepalived.log")


def master(lab: Lab) -> list[str]:
    """Who holds both addresses."""
    held = []
    for name in GATEWAYS:
        shown = json.loads(lab[name].run("ip", "-json", "-4", "address").stdout)
        own = {address["local"] for link in shown for address in link["addr_info"]}
        if {"192.168.40.1", "1.1.2.2"} <= own:
            held.append(name)
    return held


def seen(lab: Lab) -> dict[str, str]:
    """The public address of each client; those that get no answer are left out."""
    found = {}
    with lab["client"].entered():
        for source in CLIENTS:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                sender.settimeout(0.3)
                sender.sendto(b"x", (SERVER, services.ECHO_PORT))
                try:
                    found[source] = sender.recv(512).split()[0].decode()
                except (TimeoutError, OSError):
                    continue
    return found


def test_subscriber_has_the_same_external_address_on_both_gateways(
    pair: tuple[Lab, dict[str, Snatd]],
) -> None:
    lab, boxes = pair
    wait(lambda: master(lab) == ["gw1"], "gw1 has the addresses")
    wait(lambda: len(seen(lab)) == len(CLIENTS), "every client served")
    first = seen(lab)
    assert len(set(first.values())) > 3
    assert boxes["gw1"].client.flows().total > 0
    assert boxes["gw2"].client.flows().total == 0
    # gw1 can use no link any more: snatd says so to keepalived, which hands the addresses over.
    boxes["gw1"].shell("request link isp down")
    wait(lambda: master(lab) == ["gw2"], "gw2 has the addresses")
    wait(lambda: len(seen(lab)) == len(CLIENTS), "every client served by gw2")
    assert seen(lab) == first
    assert boxes["gw2"].client.flows().total > 0
    boxes["gw1"].shell("request link isp up")
    wait(lambda: master(lab) == ["gw1"], "gw1 has the addresses again")
    wait(lambda: seen(lab) == first, "the same addresses again")
