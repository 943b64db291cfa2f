# SPDX-License-Identifier: Apache-2.0
"""Facts about the gateway that validation and compilation depend on. Gathered by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from snatsh.model.box import Bypass
from snatsh.model.values import Address, InterfaceAddress

Framing = Literal["ethernet", "none", "other"]


NO_INDEX = 0x7FFF_0000
"""Base of the indices of missing interfaces in an image, above any index of the kernel."""


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """An interface. index: kernel ifindex. mac: six bytes, empty without one. addresses: with their prefix.

    carrier_losses: since the interface exists, as counted by the kernel. framing: the header of its packets;
    "none" for PPP, tun and WireGuard. peers: remote ends of its point-to-point addresses.
    software: it carries frames of this machine, as a veth does, whose checksums may not be filled in.
    """

    index: int
    mac: bytes
    mtu: int
    up: bool
    addresses: tuple[InterfaceAddress, ...] = ()
    carrier_losses: int = 0
    framing: Framing = "ethernet"
    peers: tuple[Address, ...] = ()
    software: bool = False

    def on_link(self, address: Address) -> bool:
        return address in self.peers or any(address in own.network for own in self.addresses)


@dataclass(frozen=True, slots=True)
class Facts:
    """The gateway's interfaces by name, and whether it forwards.

    translations: where netfilter translates sources, one clause each. gateways: interface and next hop of the
    routes in all tables; None when not gathered. untagging: interfaces that strip VLAN tags before XDP.
    neighbors: MAC address, in text, of the neighbors that were heard of; empty when not gathered. box: what
    of the host translated packets may pass by; empty when not gathered.
    """

    interfaces: Mapping[str, InterfaceFacts] = field(default_factory=dict)
    forwarding: bool = True
    translations: tuple[str, ...] = ()
    gateways: frozenset[tuple[str, Address]] | None = None
    untagging: frozenset[str] = frozenset()
    neighbors: Mapping[tuple[str, Address], str] = field(default_factory=dict)
    box: tuple[Bypass, ...] = ()
