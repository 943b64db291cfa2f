"""Links by devices without Ethernet header, as PPP is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Gateway, document
from links import VIA_A, VIA_B, commit, seen_from
from tunnels import Tunnel

from snatsh.lab.watch import Watch

PEER = "10.64.0.1"
FAR = ("198.51.100.1", 9)


def dial(gateway: Gateway, own: str, peer: str = PEER) -> Tunnel:
    """A session with isp-b, whose addresses the server knows the way to."""
    return Tunnel("ppp0", (gateway.lab["gateway"], own), (gateway.lab["isp-b"], peer))


def by_tunnel(hook: str, peer: str = PEER) -> dict:
    """All traffic by ppp0, from its own address; isp-a stands by."""
    wanted = document(hook)
    del wanted["interfaces"]["eth2"], wanted["links"]["isp-b"], wanted["rules"]["20"]
    wanted["interfaces"]["ppp0"] = {"role": "outside"}
    monitor = {"icmp": {"target": [VIA_B]}, "interval": 100}
    wanted["links"]["dsl"] = {"interface": "ppp0", "next-hop": peer, "hold-down": 0, "monitor": monitor}
    wanted["links"]["dsl"] |= {"backup": "isp-a", "pool": "own"}
    wanted["links"]["isp-a"]["pool"] = "a"
    wanted["pools"] = {
        "own": {"interface-address": "ppp0", "ports": "20000-29999"},
        "a": wanted["pools"]["a"],
    }
    wanted["rules"]["10"] = {"source": "192.168.40.0/24", "out-interface": "ppp0", "pool": "own"}
    return wanted


@pytest.fixture
def line(gateway: Gateway) -> Iterator[Gateway]:
    """The way out is the tunnel, with nothing untranslated at the far end of it."""
    gateway.lab["server"].run("ip", "route", "replace", "10.64.0.0/24", "via", "198.18.2.1")
    with Watch(gateway.lab["server"], "eth1", "ip src net 192.168.40.0/24") as untranslated:
        yield gateway
        assert untranslated.count() == 0, untranslated.example()


def test_everything_goes_by_a_line_without_headers(line: Gateway) -> None:
    gateway, box = line, line.lab["gateway"]
    with dial(gateway, "10.64.0.2"):
        box.run("ip", "route", "add", "8.8.8.8", "dev", "ppp0")
        commit(gateway, by_tunnel(gateway.hook))
        assert seen_from(gateway) == "10.64.0.2"
        client = gateway.client
        got = client.run("curl", "-sS", "--max-time", "20", f"http://{VIA_A}/bytes/2000000")
        assert len(got.stdout) == 2_000_000
        assert "1 received" in client.run("ping", "-c", "1", "-W", "2", VIA_A).stdout
