# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP frames and the interfaces that send them."""

from __future__ import annotations

import ipaddress

from scapy.layers.l2 import ARP, Ether

from snatsh.compile.image import AnnouncedRange
from snatsh.engine.host.gratuitous_arp import frame, stations
from snatsh.model.facts import Facts, InterfaceFacts
from snatsh.model.values import AddressRange

MAC = bytes.fromhex("020000000001")
RUN = AddressRange.parse("192.0.2.0/30")


def test_frame_is_a_gratuitous_arp_announcement() -> None:
    parsed = Ether(frame(MAC, int(ipaddress.ip_address("192.0.2.7"))))
    assert (parsed.dst, parsed.src) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01")
    assert parsed[ARP].op == 1
    assert (parsed[ARP].hwsrc, parsed[ARP].hwdst) == ("02:00:00:00:00:01", "00:00:00:00:00:00")
    assert parsed[ARP].psrc == parsed[ARP].pdst == "192.0.2.7"


def test_only_ethernet_interfaces_that_are_up_announce() -> None:
    facts = Facts(
        {
            "up": InterfaceFacts(1, MAC, 1500, up=True),
            "down": InterfaceFacts(2, MAC, 1500, up=False),
            "tunnel": InterfaceFacts(3, b"", 1500, up=True),
        }
    )
    found = stations([AnnouncedRange(RUN, index) for index in (1, 2, 3, 4)], facts)
    assert {station.name: ranges for station, ranges in found.items()} == {"up": (AnnouncedRange(RUN, 1),)}
