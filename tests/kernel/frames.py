# SPDX-License-Identifier: Apache-2.0
"""Frames as subscribers and servers send them."""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from tests.kernel.rig import GATEWAY_MAC, INSIDE_HOST_MAC

ROUTER_MAC = "02:00:00:00:01:00"


def from_inside(l4: Any, source: str = "192.168.40.9", destination: str = "8.8.8.8", **ip: Any) -> Any:
    """An Ethernet frame of an inside host, with every length and checksum filled in."""
    header = IP(src=source, dst=destination, **{"ttl": 64, **ip})
    return Ether(bytes(Ether(src=INSIDE_HOST_MAC, dst=GATEWAY_MAC) / header / l4))


def from_outside(l4: Any, destination: str, source: str = "8.8.8.8", **ip: Any) -> Any:
    """An Ethernet frame as the provider's router delivers it."""
    header = IP(src=source, dst=destination, **{"ttl": 60, **ip})
    return Ether(bytes(Ether(src=ROUTER_MAC, dst=GATEWAY_MAC) / header / l4))


def tcp(sport: int, dport: int, flags: str, payload: bytes = b"") -> Any:
    return TCP(sport=sport, dport=dport, flags=flags) / payload


def udp(sport: int, dport: int, payload: bytes = b"x") -> Any:
    return UDP(sport=sport, dport=dport) / payload


def echo(identifier: int, kind: int = 8) -> Any:
    return ICMP(type=kind, id=identifier, seq=1) / b"ping"


def reply_to(frame: Any, flags: str = "SA") -> Any:
    """What the destination of a translated frame answers."""
    ip = frame[IP]
    if ICMP in frame:
        l4 = echo(frame[ICMP].id, kind=0)
    elif TCP in frame:
        l4 = tcp(ip.payload.dport, ip.payload.sport, flags)
    else:
        l4 = udp(ip.payload.dport, ip.payload.sport, b"re")
    return from_outside(l4, ip.src, ip.dst)
