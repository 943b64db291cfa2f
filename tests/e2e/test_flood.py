# SPDX-License-Identifier: Apache-2.0
"""A flood from one host does not affect the others."""

from __future__ import annotations

import json
import random
import socket
import struct
import time
from multiprocessing import get_context

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from snatsh.lab.namespaces import Namespace
from snatsh.lab.services import ECHO_PORT
from tests.e2e.harness import Gateway, no_leak

pytestmark = pytest.mark.serial

HALF_OPEN = 20_000
SERVER = "8.8.8.8"
AT_DESTINATION, AT_PORTS, AT_CHECKSUM = 14 + 16, 14 + 20, 14 + 20 + 16


def flood(client: Namespace, gateway_mac: str, syns: int) -> None:
    """SYNs from random ports to random places that never answer (100.64.0.0/10), as fast as it goes."""
    choose = random.Random(1)
    with client.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("eth0", 0))
        own = out.getsockname()[4]
        packet = IP(src="192.168.40.9", dst="100.64.0.1", ttl=64) / TCP(flags="S")
        frame = bytearray(bytes(Ether(src=own, dst=gateway_mac) / packet))
        for _ in range(syns):
            noise = choose.getrandbits(54)
            struct.pack_into("!I", frame, AT_DESTINATION, 100 << 24 | 1 << 22 | noise & 0x3FFFFF)
            struct.pack_into("!HH", frame, AT_PORTS, 1024 + (noise >> 22) % 64_000, noise >> 38)
            frame[24:26] = b"\0\0"
            frame[24:26] = checksum(frame[14:34])
            out.send(frame)


def checksum(header: bytes | bytearray) -> bytes:
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def connects(client: Namespace) -> bool:
    """Whether a new TCP connection is made and carries data both ways; a busy machine may lose a SYN."""
    with client.entered(), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        try:
            connection.connect((SERVER, ECHO_PORT))
            return bool(connection.recv(100))
        except OSError:
            return False


def during_a_flood(gateway: Gateway, syns: int) -> list[bool]:
    """Whether connections of the other client were made, one after the other."""
    (link,) = json.loads(gateway.lab["gateway"].run("ip", "-json", "link", "show", "eth0").stdout)
    assert connects(gateway.other_client)
    attacker = get_context("fork").Process(target=flood, args=(gateway.client, link["address"], syns))
    outcomes = []
    with no_leak(gateway.lab):
        attacker.start()
        while attacker.is_alive():
            outcomes.append(connects(gateway.other_client))
            time.sleep(0.02)
    assert attacker.exitcode == 0
    print(f"{len(outcomes)} connections during {syns:,} SYNs, {outcomes.count(False)} failed")
    return outcomes


def held(gateway: Gateway) -> int:
    """Flows of the host that floods."""
    return int(gateway.snatd.client.flows({"source": "192.168.40.9", "limit": 1}).matched)


def test_syn_flood_of_one_subscriber_does_not_affect_others(gateway: Gateway) -> None:
    outcomes = during_a_flood(gateway, 1_000_000)
    assert len(outcomes) >= 20
    assert all(outcomes)
    assert held(gateway) == HALF_OPEN, "as many as one host may have without an answer"
    assert gateway.drops()["half-open"] > 500_000, "the most of them; a busy machine loses some on the way"
    gateway.snatd.shell("clear flows source 192.168.40.9")


def test_full_table_admits_other_subscribers_without_a_half_open_limit(gateway: Gateway) -> None:
    gateway.commit("set limits subscriber half-open 4000000")
    outcomes = during_a_flood(gateway, 500_000)
    assert all(outcomes)
    assert held(gateway) > 200_000
    assert gateway.drops()["table-full"] < 500, "the unanswered make room"
    gateway.snatd.shell("clear flows source 192.168.40.9")
