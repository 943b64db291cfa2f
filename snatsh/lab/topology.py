# SPDX-License-Identifier: Apache-2.0
"""The topology of a lab: nodes and cables, and the demo network.

Declarations only; `snatsh.lab.namespaces` builds them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabPort:
    """One end of a cable: an interface of a node.

    bridge: the node's bridge that the port belongs to; such a port has no address.
    gro: receive offload. A port facing an XDP gateway needs it or an XDP program: a veth with neither accepts
    no redirected frame.
    tx_checksum: transmit checksum offload. Off by default: XDP redirect loses the partial checksum.
    """

    node: str
    name: str
    address: str | None = None
    bridge: str | None = None
    gro: bool = False
    tx_checksum: bool = False
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class Cable:
    """A veth pair between two ports."""

    a: LabPort
    b: LabPort


@dataclass(frozen=True, slots=True)
class LabRoute:
    """A static route. mtu: enforced on forwarded packets too, like a narrow link beyond the next hop."""

    destination: str
    via: str
    mtu: int | None = None


@dataclass(frozen=True, slots=True)
class LabNode:
    """A namespace. loopback: addresses reachable by any of its ports."""

    name: str
    forwards: bool = False
    loopback: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    routes: tuple[LabRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    nodes: tuple[LabNode, ...]
    cables: tuple[Cable, ...]

    def ports(self) -> tuple[LabPort, ...]:
        return tuple(port for cable in self.cables for port in (cable.a, cable.b))


# The addresses of the demo, by the names that services, traffic and tests use.
CLIENTS = {"client-a": "192.168.40.9", "client-b": "192.168.40.10"}
INSIDE_PREFIX = "192.168.40.0/24"
SERVER_BY_ISP_A = ("8.8.8.8", "1.0.0.1")
SERVER_BY_ISP_B = ("203.0.113.9", "203.0.113.10")
SERVER_ADDRESSES = SERVER_BY_ISP_A + SERVER_BY_ISP_B
# The path to it is narrower than each of its links.
NARROW_ADDRESS = "203.0.113.10"
NARROW_MTU = 1300


def demo() -> Topology:
    """Two clients behind a gateway with two links; one server is the internet.

        client-a .9 ──┐                 eth1 1.1.2.2 ── 1.1.2.1 isp-a ──┐
                      lan ── eth0 gateway                               server 8.8.8.8, 1.0.0.1
        client-b .10 ─┘   192.168.40.1  eth2 1.1.3.2 ── 1.1.3.1 isp-b ──┘ 203.0.113.9, 203.0.113.10

    203.0.113.0/24 leaves by isp-b, everything else by isp-a. Replies return by the provider whose address was
    used.
    """
    clients = tuple(LabNode(name, routes=(LabRoute("default", "192.168.40.1"),)) for name in CLIENTS)
    return Topology(
        nodes=(
            *clients,
            LabNode("lan", bridges=("bridge",)),
            LabNode(
                "gateway",
                forwards=True,
                routes=(LabRoute("default", "1.1.2.1"), LabRoute("203.0.113.0/24", "1.1.3.1")),
            ),
            LabNode("isp-a", forwards=True, routes=(LabRoute("default", "198.18.1.2"),)),
            LabNode(
                "isp-b",
                forwards=True,
                routes=(
                    LabRoute("default", "198.18.2.2"),
                    LabRoute(f"{NARROW_ADDRESS}/32", "198.18.2.2", mtu=NARROW_MTU),
                ),
            ),
            LabNode(
                "server",
                loopback=SERVER_ADDRESSES,
                routes=(LabRoute("1.1.2.0/24", "198.18.1.1"), LabRoute("1.1.3.0/24", "198.18.2.1")),
            ),
        ),
        cables=(
            *(
                Cable(LabPort(name, "eth0", f"{address}/24"), LabPort("lan", name, bridge="bridge"))
                for name, address in CLIENTS.items()
            ),
            Cable(
                LabPort("gateway", "eth0", "192.168.40.1/24"),
                LabPort("lan", "gateway", bridge="bridge", gro=True),
            ),
            Cable(LabPort("gateway", "eth1", "1.1.2.2/24"), LabPort("isp-a", "eth0", "1.1.2.1/24", gro=True)),
            Cable(LabPort("gateway", "eth2", "1.1.3.2/24"), LabPort("isp-b", "eth0", "1.1.3.1/24", gro=True)),
            Cable(LabPort("isp-a", "eth1", "198.18.1.1/30"), LabPort("server", "eth0", "198.18.1.2/30")),
            Cable(LabPort("isp-b", "eth1", "198.18.2.1/30"), LabPort("server", "eth1", "198.18.2.2/30")),
        ),
    )
