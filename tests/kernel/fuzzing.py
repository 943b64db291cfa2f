# SPDX-License-Identifier: Apache-2.0
"""Mutated frames through the programs, judged from outside: no leak, and every checksum as right as before.

The oracle knows nothing of how the programs work: it recomputes every checksum in full, over batches.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scapy.layers.inet import ICMP, IP, IPOption_RR
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from tests.kernel.frames import echo, from_inside, from_outside, tcp, udp
from tests.kernel.rig import TC_REDIRECT, TC_SHOT, XDP_DROP, XDP_REDIRECT, Rig, internet_sum

POOL = (int(IPv4Address("1.1.2.100")), int(IPv4Address("1.1.2.110")))
INSIDE = [(int(IPv4Address("192.168.0.0")), 16), (int(IPv4Address("10.0.0.0")), 8)]
OWN = [int(IPv4Address(own)) for own in ("192.168.40.1", "1.1.2.2", "1.1.3.2")]
DOCUMENT = {
    "pools": {"a": {"address": ["1.1.2.100-1.1.2.110"]}},
    "rules": {
        "10": {"source": "192.168.0.0/16", "pool": "a"},
        "20": {"source": "10.0.0.0/8", "pool": "a", "algorithm": "random"},
    },
    "limits": {"refusals": 1000},
}
ROOM = 160  # no frame is longer
BATCH = 2000
SHORTEST = 14  # what a driver hands over has its Ethernet header


def seeds_outbound() -> list[bytes]:
    quoted = Raw(bytes(from_outside(udp(53, 5000), "192.168.40.9")[IP])[:28])
    found = [
        from_inside(tcp(5000, 80, "S")),
        from_inside(tcp(5000, 80, "A", b"data")),
        from_inside(tcp(5000, 80, "FA")),
        from_inside(tcp(5000, 80, "R")),
        from_inside(udp(5000, 53), source="10.1.2.3"),
        from_inside(udp(70, 53), destination="203.0.113.9"),
        from_inside(udp(5000, 53), destination="1.1.2.100"),
        from_inside(echo(77)),
        from_inside(echo(77, kind=0)),
        from_inside(ICMP(type=3, code=3) / quoted),
        from_inside(ICMP(type=13)),
        from_inside(udp(5000, 53), options=[IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])]),
        from_inside(udp(5000, 53, b"x" * 40), flags="MF"),
        from_inside(Raw(b"x" * 40), proto=17, frag=5),
        from_inside(Raw(b"x" * 20), proto=47),
        from_inside(Raw(b"x" * 20), proto=132),
        from_inside(udp(5000, 53), ttl=1),
        Ether() / Dot1Q(vlan=7) / IP(src="192.168.40.9", dst="8.8.8.8") / udp(5000, 53),
        Ether() / ARP(),
    ]
    return [bytes(frame) for frame in found]


def seeds_inbound(sent: list[Any]) -> list[bytes]:
    """Answers to what went out, and errors about it."""
    found = []
    for frame in sent:
        ip = frame[IP]
        quoted = Raw(bytes(ip)[:28])
        found += [
            from_outside(ICMP(type=11) / quoted, ip.src, "9.9.9.9"),
            from_outside(ICMP(type=3, code=4, nexthopmtu=1400) / Raw(bytes(ip)[:60]), ip.src, "9.9.9.9"),
        ]
        if ip.proto == 1:
            found.append(from_outside(echo(frame[ICMP].id, kind=0), ip.src, ip.dst))
            continue
        answer = tcp if ip.proto == 6 else udp
        extra = ("SA",) if ip.proto == 6 else ()
        l4 = answer(ip.payload.dport, ip.payload.sport, *extra)
        found.append(from_outside(l4, ip.src, ip.dst))
        found.append(from_outside(l4, ip.src, ip.dst, flags="MF"))
    found.append(from_outside(tcp(4000, 22, "S"), "1.1.2.100"))
    found.append(from_outside(Raw(b"x" * 20), "1.1.2.101", proto=50))
    return [bytes(frame) for frame in found]


def mutated(choose: random.Random, seeds: list[bytes]) -> bytes:
    """Mostly one or two wild bytes; at times a cut, growth, or a byte of another frame; at times nothing."""
    frame = bytearray(choose.choice(seeds))
    for _ in range(choose.choice((0, 1, 1, 1, 2, 4))):
        at = choose.randrange(12, len(frame))
        frame[at] = choose.choice((0, 1, 0x45, 0x7F, 0x80, 0xFF, choose.randrange(256)))
    fate = choose.random()
    if fate < 0.1:
        del frame[choose.randrange(SHORTEST, len(frame)) :]
    elif fate < 0.15:
        frame += choose.randbytes(choose.randrange(1, 30))
    elif fate < 0.2:
        other = choose.choice(seeds)
        at = choose.randrange(14, min(len(frame), len(other)))
        frame[at:] = other[at:]
    if choose.random() < 0.8:
        mend_ip_checksum(frame)
    return bytes(frame[: ROOM - 32])


def mend_ip_checksum(frame: bytearray) -> None:
    """Right again after the changes: the programs look no further than a wrong one."""
    if len(frame) >= 34:
        frame[24:26] = bytes(2)
        frame[24:26] = (0xFFFF - internet_sum(bytes(frame[14:34]))).to_bytes(2, "big")


@dataclass(frozen=True)
class Left:
    """A frame that left the programs, and what it was before. way: out, in or refused."""

    before: bytes
    after: bytes
    way: str


class Fuzz:
    """Sends frames through one rig and judges what comes out; `problems` keeps what is wrong."""

    def __init__(self, gateway: Rig, seed: int) -> None:
        self.gateway = gateway
        self.choose = random.Random(seed)
        self.problems: list[str] = []
        self.outcomes: dict[str, int] = {}
        gateway.commit(DOCUMENT)
        self.outbound = seeds_outbound()
        sent = [gateway.outbound(Ether(frame)) for frame in self.outbound[:8]]
        self.inbound = seeds_inbound([one.frame for one in sent if one.verdict == "translated"])

    def run(self, packets: int) -> None:
        for start in range(0, packets, BATCH):
            self._judge(list(self._batch(min(BATCH, packets - start))))

    def _batch(self, packets: int) -> Iterator[Left]:
        for _ in range(packets):
            try:
                if self.choose.random() < 0.6:
                    left = self._send_out(mutated(self.choose, self.outbound))
                else:
                    left = self._send_in(mutated(self.choose, self.inbound))
            except OSError:
                self._count("cut")  # the kernel makes no buffer of a frame cut within its IP header
                continue
            self._count(left.way if left else "kept")
            if left:
                yield left

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def _send_out(self, frame: bytes) -> Left | None:
        """At the inside; what is handed up passes the guard at the egress, as the stack would send it."""
        if self.gateway.hook == "xdp":
            verdict, after = self.gateway.run_xdp("xdp_inside", "eth0", frame)
            if verdict == XDP_REDIRECT:
                return Left(frame, after, "refused" if _is_refusal(after) else "out")
            if verdict == XDP_DROP:
                return None
        if self.gateway.hook != "tc-egress":
            verdict, after = self.gateway.run_tc("tc_inside", "eth0", frame, "eth0")
            if verdict == TC_REDIRECT:
                return Left(frame, after, "refused" if _is_refusal(after) else "out")
            if verdict == TC_SHOT:
                return None
        verdict, after = self.gateway.run_tc("tc_outside_out", "eth1", frame, "eth0")
        if verdict == TC_SHOT:
            return None
        return Left(frame, after, "refused" if _is_refusal(after) else "out")

    def _send_in(self, frame: bytes) -> Left | None:
        if self.gateway.hook == "xdp":
            verdict, after = self.gateway.run_xdp("xdp_outside", "eth1", frame)
            if verdict == XDP_REDIRECT:
                return Left(frame, after, "in")
            if verdict == XDP_DROP:
                return None
        verdict, after = self.gateway.run_tc("tc_outside_in", "eth1", frame)
        if verdict == TC_SHOT or after == frame:
            return None
        return Left(frame, after, "in")

    def _judge(self, left: list[Left]) -> None:
        if not left:
            return
        before, after = _table([one.before for one in left]), _table([one.after for one in left])
        for number, reason in _wrong(left, before, after):
            one = left[number]
            self.problems.append(
                f"{one.way}: {reason}\n  before {one.before.hex()}\n  after  {one.after.hex()}"
            )


def _is_refusal(frame: bytes) -> bool:
    """From the gateway itself: an inside host may send such an error, too."""
    own = int.from_bytes(frame[26:30], "big") in OWN
    return own and len(frame) == 70 and frame[23] == 1 and frame[34:36] == b"\x03\x0d"


@dataclass(frozen=True)
class Table:
    """Frames as rows of bytes, zeros behind their ends, and the fields of what would be their IP headers."""

    bytes: NDArray[np.uint8]
    size: NDArray[np.int64]
    is_ip: NDArray[np.bool_]
    header: NDArray[np.int64]
    total: NDArray[np.int64]
    protocol: NDArray[np.uint8]
    source: NDArray[np.int64]
    destination: NDArray[np.int64]


def _table(frames: list[bytes]) -> Table:
    rows: NDArray[np.uint8] = np.zeros((len(frames), ROOM), dtype=np.uint8)
    for number, frame in enumerate(frames):
        rows[number, : len(frame)] = np.frombuffer(frame, dtype=np.uint8)
    words = rows.reshape(len(frames), -1, 2).astype(np.int64)
    words = words[:, :, 0] << 8 | words[:, :, 1]
    size = np.array([len(frame) for frame in frames], dtype=np.int64)
    return Table(
        bytes=rows,
        size=size,
        is_ip=(words[:, 6] == 0x0800) & (size >= 34) & (rows[:, 14] >> 4 == 4) & (rows[:, 14] & 15 >= 5),
        header=(rows[:, 14] & 15).astype(np.int64) * 4,
        total=words[:, 8],
        protocol=rows[:, 23],
        source=words[:, 13] << 16 | words[:, 14],
        destination=words[:, 15] << 16 | words[:, 16],
    )


def _sums(table: Table, first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """One's complement sums of the bytes from `first` up to `end` of each row, both even from its start."""
    column = np.arange(ROOM)
    kept = np.where((column >= first[:, None]) & (column < end[:, None]), table.bytes, 0).astype(np.int64)
    total: NDArray[np.int64] = (kept[:, 0::2] << 8).sum(axis=1) + kept[:, 1::2].sum(axis=1)
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _right(table: Table) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the IP header's checksum is right, and that of what it carries (true where there is none)."""
    start = np.full(len(table.size), 14)
    header = _sums(table, start, start + table.header) == 0xFFFF
    body, end = start + table.header, start + table.total
    carried = _sums(table, body, end)
    pseudo = (table.source >> 16) + (table.source & 0xFFFF) + (table.destination >> 16)
    pseudo += (table.destination & 0xFFFF) + table.protocol + (table.total - table.header)
    with_pseudo = carried + pseudo
    for _ in range(3):
        with_pseudo = (with_pseudo & 0xFFFF) + (with_pseudo >> 16)
    at = np.minimum(body + 6, ROOM - 2)
    rows = np.arange(len(table.size))
    unset = (table.bytes[rows, at] == 0) & (table.bytes[rows, at + 1] == 0)
    fragment = (table.bytes[:, 20] & 0x3F != 0) | (table.bytes[:, 21] != 0)
    checked = table.is_ip & ~fragment & (end <= table.size) & np.isin(table.protocol, (1, 6, 17))
    checked &= ~((table.protocol == 17) & unset)
    right = np.where(table.protocol == 1, carried == 0xFFFF, with_pseudo == 0xFFFF)
    return header | ~table.is_ip, right | ~checked


def _wrong(left: list[Left], before: Table, after: Table) -> Iterator[tuple[int, str]]:
    way = np.array([one.way for one in left])
    (header_before, body_before), (header, body) = _right(before), _right(after)
    ip = before.is_ip
    out, inward, refused = way == "out", way == "in", way == "refused"
    in_pool = (after.source >= POOL[0]) & (after.source <= POOL[1])
    changed = out & (after.source != before.source)
    findings = {
        "IP checksum broken": (out | inward) & ip & header_before & ~header,
        "checksum of TCP, UDP or ICMP broken": (changed | inward) & ip & body_before & ~body,
        "checksum repaired, so it was recomputed": changed
        & ip
        & ~body_before
        & body
        & (before.protocol != 17),
        "left untranslated": out & ip & ~in_pool & ~np.isin(after.source, OWN),
        "came in for no inside host": inward & ip & ~_is_inside(after.destination),
        "wrong checksum in a refusal": refused & ~(header & body),
        "length changed": (out | inward) & (before.size != after.size),
    }
    for reason, wrong in findings.items():
        for number in np.flatnonzero(wrong):
            yield int(number), reason


def _is_inside(addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
    found = np.zeros(len(addresses), dtype=bool)
    for network, length in INSIDE:
        found |= addresses >> (32 - length) == network >> (32 - length)
    return found
