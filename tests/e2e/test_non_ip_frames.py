# SPDX-License-Identifier: Apache-2.0
"""Frames that are not translated, on real interfaces and with the stack involved."""

from __future__ import annotations

import socket

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether

from snatsh.engine.box.offloads import takes_tags_off, untagging
from snatsh.lab.watch import Watch
from tests.e2e.harness import Gateway

FRAMES = 5
TAGS = {
    "VLAN": Dot1Q(vlan=100),
    "QinQ": Dot1AD(vlan=7) / Dot1Q(vlan=100),
}


def send(gateway: Gateway, frame: bytes) -> None:
    with gateway.client.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with wire:
        wire.bind(("eth0", 0))
        for _ in range(FRAMES):
            wire.send(frame)


@pytest.mark.parametrize("tag", TAGS)
def test_tagged_frames_are_left_to_their_vlan_device(gateway: Gateway, tag: str) -> None:
    """There is none here: the stack drops it, nothing is translated, nothing leaves."""
    # Offloaded, a tag travels beside the frame, where XDP does not see it.
    gateway.lab["lan"].run("ethtool", "-K", "gateway", "txvlan", "off", "tx-vlan-stag-hw-insert", "off")
    interfaces = {row.name: row for row in gateway.snatd.client.interfaces()}
    packet = IP(src="192.168.40.9", dst="8.8.8.8") / UDP(sport=5000, dport=9999) / b"tagged"
    frame = bytes(Ether(dst=interfaces["eth0"].mac, src="02:00:00:00:40:09") / TAGS[tag] / packet)
    before = tagged(gateway)
    with Watch(gateway.lab["isp-a"], "eth0", "udp port 9999 or vlan") as left:
        send(gateway, frame)
        assert gateway.client.run("ping", "-c", "1", "-W", "2", "8.8.8.8").returncode == 0, "it is through"
        assert left.count() == 0
    assert tagged(gateway) >= before + FRAMES
    assert not gateway.snatd.client.flows({"port": 9999}).flows


@pytest.mark.parametrize("offload", ["off", "on"])
def test_priority_tags_are_no_vlan(gateway: Gateway, offload: str) -> None:
    """VLAN 0 is an untagged frame with a priority (IEEE 802.1Q): translated, and the tag stays behind."""
    gateway.lab["lan"].run("ethtool", "-K", "gateway", "txvlan", offload)
    interfaces = {row.name: row for row in gateway.snatd.client.interfaces()}
    packet = IP(src="192.168.40.9", dst="8.8.8.8") / UDP(sport=5001, dport=9998) / b"urgent"
    tag = Dot1Q(vlan=0, prio=5)
    frame = bytes(Ether(dst=interfaces["eth0"].mac, src="02:00:00:00:40:09") / tag / packet)
    with Watch(gateway.lab["isp-a"], "eth0", "vlan") as tagged_on:
        with Watch(gateway.lab["isp-a"], "eth0", "udp port 9998") as left:
            send(gateway, frame)
            assert gateway.client.run("ping", "-c", "1", "-W", "2", "8.8.8.8").returncode == 0
            assert left.count() == FRAMES
        assert tagged_on.count() == 0


def test_vlan_tag_offload_is_detected(gateway: Gateway) -> None:
    box = gateway.lab["gateway"]
    with box.entered():
        assert takes_tags_off("eth0")
        box.run("ethtool", "-K", "eth0", "rxvlan", "off")
        assert not takes_tags_off("eth0")
        box.run("ethtool", "-K", "eth0", "rxvlan", "on")
        assert not takes_tags_off("nothing")
        assert not untagging(), "no VLAN device here"


def tagged(gateway: Gateway) -> int:
    counts = {row.reason: row.packets for row in gateway.snatd.client.drops().handed_up}
    return counts["vlan"]
