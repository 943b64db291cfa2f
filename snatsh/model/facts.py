# SPDX-License-Identifier: Apache-2.0
"""What a profile has to know of the box it is to run on. Gathered elsewhere; here only its shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from snatsh.model.values import Address, InterfaceAddress

Framing = Literal["ethernet", "none", "other"]


NO_INDEX = 0x7FFF_0000
"""Above any index the kernel gives: a missing interface stands in an image by one of these."""


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """index: kernel ifindex. mac: six bytes, empty on links without one. addresses: with their prefix.

    carrier_losses: since the interface is there, as far as the kernel counts them. framing: what its packets
    begin with; "none" is PPP, tun and the like. peers: the other ends of its point-to-point addresses.
    """

    index: int
    mac: bytes
    mtu: int
    up: bool
    addresses: tuple[InterfaceAddress, ...] = ()
    carrier_losses: int = 0
    framing: Framing = "ethernet"
    peers: tuple[Address, ...] = ()

    def on_link(self, address: Address) -> bool:
        return address in self.peers or any(address in own.network for own in self.addresses)


@dataclass(frozen=True, slots=True)
class Facts:
    """The box: its interfaces by name, whether it forwards at all, and rules of others that change sources.

    translations: where they are, a sentence each. gateways: next hops of its routes in all tables, by
    interface; None where nobody asked. untagging: interfaces whose card hides VLAN tags from XDP.
    """

    interfaces: Mapping[str, InterfaceFacts] = field(default_factory=dict)
    forwarding: bool = True
    translations: tuple[str, ...] = ()
    gateways: frozenset[tuple[str, Address]] | None = None
    untagging: frozenset[str] = frozenset()
