# SPDX-License-Identifier: Apache-2.0
"""Run by `unshare -n`: what this kernel's netfilter makes of packets. JSON in, JSON out.

In: {"rules": texts of iptables-restore, "packets": [[source, destination, protocol]]}. Out: for each text and
packet the source that a wire saw, in order. eth1 is the default way, eth2 the way to
203.0.113.0/24.
"""

import json
import select
import socket
import subprocess
import sys
import time

BOX = """link set lo up
link add eth1 type veth peer name wire1
link add eth2 type veth peer name wire2
link set eth1 up
link set eth2 up
link set wire1 up
link set wire2 up
addr add 1.1.2.2/24 dev eth1
addr add 1.1.3.2/24 dev eth2
neigh add 1.1.2.1 lladdr 02:00:00:00:00:01 dev eth1
neigh add 1.1.3.1 lladdr 02:00:00:00:00:02 dev eth2
route add default via 1.1.2.1
route add 203.0.113.0/24 via 1.1.3.1
"""
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}
SECONDS = 5.0


def send(source: str, destination: str, protocol: str, number: int) -> socket.socket:
    """One packet that opens a new flow."""
    if protocol == "icmp":
        out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        out.bind((source, 0))
        body = bytes([8, 0, 0, 0]) + number.to_bytes(2, "big") + bytes(2)
        total = sum(int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2))
        checksum = ~((total >> 16) + total) & 0xFFFF
        out.sendto(body[:2] + checksum.to_bytes(2, "big") + body[4:], (destination, 0))
        return out
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    out = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    out.bind((source, 2000 + number))
    out.connect_ex((destination, 80))
    if protocol == "udp":
        out.send(b"x")
    return out


def seen(wires: list[socket.socket], destination: str, protocol: str) -> str:
    """The source of the next packet that is for this destination."""
    deadline = time.monotonic() + SECONDS
    while (left := deadline - time.monotonic()) > 0:
        for wire in select.select(wires, [], [], left)[0]:
            frame = wire.recv(2048)
            header = frame[14:34]
            if header[9] == PROTOCOLS[protocol] and socket.inet_ntoa(header[16:20]) == destination:
                return socket.inet_ntoa(header[12:16])
    return "nothing"


def main() -> None:
    given = json.load(sys.stdin)
    sources = sorted({packet[0] for packet in given["packets"]})
    script = BOX + "".join(f"addr add {source}/32 dev lo\n" for source in sources)
    subprocess.run(["ip", "-batch", "-"], input=script, text=True, check=True)
    wires = []
    for name in ("wire1", "wire2"):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        wire.bind((name, 0x0800))
        wires.append(wire)
    number, found = 0, []
    for rules in given["rules"]:
        subprocess.run(["iptables-restore"], input=rules, text=True, check=True)
        row = []
        for source, destination, protocol in given["packets"]:
            number += 1
            with send(source, destination, protocol, number):
                row.append(seen(wires, destination, protocol))
        found.append(row)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
