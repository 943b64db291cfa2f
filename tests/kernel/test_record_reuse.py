# SPDX-License-Identifier: Apache-2.0
"""Records that end and become another flow's while packets are translated by them, on two CPUs.

Each packet is translated as one flow, or it is not sent.
"""

from __future__ import annotations

import mmap
import random
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address

import numpy as np
import pytest
from numpy.typing import NDArray
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from snatsh.datapath import layout
from snatsh.datapath.constants import TICKS_OF_SECOND
from snatsh.datapath.flows import now_ticks
from tests.kernel.conftest import SMALL
from tests.kernel.frames import from_inside, from_outside, udp
from tests.kernel.rig import TC_SHOT, XDP_DROP, Rig, checksums_right
from tests.kernel.two_cpus import rounds, together

IN_USE = SMALL - 1
POOL = "1.1.2.100"
SECONDS = 1.5
PACKETS, MOST_SECONDS = 20_000, 20
PAUSE = 50  # turns between two changes, so that most packets find a flow


@pytest.fixture
def tiny(small_rig: Rig) -> Rig:
    """Room for one flow beside those that are in use."""
    small_rig.end_flows()
    small_rig.datapath.programs.require("takeover")  # adds flows to the table
    assert small_rig.datapath.flow_table.adopt(flows_in_use(), settle=False) == IN_USE
    return small_rig


def flows_in_use() -> NDArray[np.void]:
    """Flows that no eviction knows of."""
    made = np.zeros(IN_USE, dtype=layout.RECORD)
    key, reply, ports = made["key"], made["reply"], 1024 + np.arange(IN_USE)
    key["source"], key["source_port"] = int(IPv4Address("10.0.0.1")), ports
    reply["destination"], reply["destination_port"] = int(IPv4Address("1.1.2.99")), ports
    key["protocol"] = reply["protocol"] = 17
    made["outbound"]["expires"] = now_ticks() + 3600 * TICKS_OF_SECOND
    return made


def allocations(gateway: Rig) -> int:
    """Flows that ever were."""
    return int(gateway.entries("record_counts")[1]["allocated"][0])


def run(gateway: Rig, data: bytes) -> bytes | None:
    """The frame as it is sent by a flow; None when it is not."""
    if gateway.hook == "xdp":
        verdict, after = gateway.run_xdp("xdp_inside", "eth0", data)
        return None if verdict == XDP_DROP or after == data else after
    if gateway.hook == "tc":
        verdict, after = gateway.run_tc("tc_inside", "eth0", data, "eth0")
    else:
        verdict, after = gateway.run_tc("tc_outside_out", "eth1", data, "eth0")
    return None if verdict == TC_SHOT or after == data else after


def run_inbound(gateway: Rig, data: bytes) -> bytes | None:
    if gateway.hook == "xdp":
        verdict, after = gateway.run_xdp("xdp_outside", "eth1", data)
        return None if verdict == XDP_DROP or after == data else after
    verdict, after = gateway.run_tc("tc_outside_in", "eth1", data)
    return None if verdict == TC_SHOT or after == data else after


def test_outbound_packet_has_address_and_port_of_one_flow(tiny: Rig) -> None:
    """A full table: each new flow ends another one, as often as not one whose packet is under way."""
    tiny.commit({"pools": {"a": {"address": [POOL]}}, "rules": {"1": {"pool": "a"}}})

    def flood(host: int) -> Callable[[], list[bytes]]:
        own = [from_inside(udp(2000 + 100 * host + n, 53), f"192.168.40.{20 + host}") for n in range(3)]
        shared = [from_inside(udp(3000 + n, 53)) for n in range(2)]
        frames = [bytes(frame) for frame in own + shared]
        good: set[bytes] = set()

        def wrong() -> list[bytes]:
            found: list[bytes] = []
            choose = random.Random(host)
            for _ in rounds(SECONDS):
                after = run(tiny, choose.choice(frames))
                if after is None or after in good:
                    continue
                sent = Ether(after)
                if sent[IP].src == POOL and checksums_right(sent):
                    good.add(after)
                else:
                    found.append(after)
            assert good, "some are sent"
            return found

        return wrong

    before = allocations(tiny)
    assert together([flood(0), flood(1)]) == []
    assert allocations(tiny) - before > 1000, "flows came and went"


Flow = NDArray[np.void]
Image = list[tuple[int, int]]
"""Words of a record with their places, in the order in which they are written."""


class Alternating:
    """A record that is one flow and then another, some 100,000 times a second, by the table's protocol.

    Flows that really come and go change a record too seldom for a packet to be between two reads of it. It is
    written through the map's memory, a word at a time, what is translated to long before the checksums.
    """

    def __init__(self, gateway: Rig, flows: list[Flow]) -> None:
        """flows: the last one is in the table."""
        size = layout.RECORD.itemsize
        self._number, self._uses = int(flows[-1]["live"]) & 0xFFFFFFFF, 1 << 20
        place = self._number * size
        page = place - place % mmap.PAGESIZE
        memory = mmap.mmap(gateway.datapath.maps["records"].fd, place - page + size, offset=page)
        self._words = memoryview(memory)[place - page :].cast("Q")
        self._live = _word("live")
        self._stopped = memoryview(mmap.mmap(-1, mmap.PAGESIZE))
        self._flows = [(flow, _differing(flows)) for flow in flows]
        for flow in flows:
            flow["outbound"]["epoch"] = flow["inbound"]["epoch"] = gateway.entries("control")[1]["epoch"][0]

    def images(self) -> list[Image]:
        """What differs between the flows, just refreshed."""
        images = []
        for flow, places in self._flows:
            flow["outbound"]["touched"] = flow["inbound"]["touched"] = now_ticks()
            words = np.frombuffer(flow.tobytes(), dtype=np.uint64)
            images.append([(place, int(words[place])) for place in places])
        return images

    def become(self, image: Image) -> None:
        words = self._words
        words[self._live] = 0
        for place, word in image:
            words[place] = word
        self._uses += 2
        words[self._live] = self._uses << 32 | self._number

    def change(self) -> list[bytes]:
        for number in rounds(MOST_SECONDS):
            if not number % 1000:
                images = self.images()
            self.become(images[number & 1])
            for _ in range(PAUSE):
                pass
            if self._stopped[0]:
                break
        self.become(images[-1])
        return []

    def stop(self) -> None:
        """From another process."""
        self._stopped[0] = 1


def _word(half: str, field: str | None = None) -> int:
    """Which word of a record the field is in."""
    fields = layout.RECORD.fields
    assert fields
    inner = fields[half][0].fields
    return int(fields[half][1] + (inner[field][1] if inner and field else 0)) // 8


def _differing(flows: list[Flow]) -> list[int]:
    """Words that differ between two flows or are refreshed; first the two that an address is in."""
    one, other = (np.frombuffer(flow.tobytes(), dtype=np.uint64) for flow in flows)
    first = [_word("outbound", "mapped"), _word("inbound", "inside")]
    refreshed = [_word("outbound", "touched"), _word("inbound", "touched")]
    rest = {int(place) for place in np.flatnonzero(one != other)} - {*first, _word("live")}
    return [*first, *refreshed, *sorted(rest - {*refreshed})]


def opened(gateway: Rig, host: str, port: int, pool: str) -> Flow:
    """The record of a flow from this host and port, translated to `pool`, the only one in the table."""
    gateway.forget()
    gateway.commit({"pools": {"a": {"address": [pool], "ports": "2000"}}, "rules": {"1": {"pool": "a"}}})
    assert run(gateway, bytes(from_inside(udp(port, 53), host)))
    assert run_inbound(gateway, bytes(from_outside(udp(53, 2000), pool)))
    flow: Flow = next(gateway.datapath.flow_table.parts())[0]
    return flow


def outbound_flows(gateway: Rig) -> list[Flow]:
    """One host and port, by two pools."""
    return [opened(gateway, "10.1.0.20", 4000, pool) for pool in (POOL, "1.1.2.101")]


def inbound_flows(gateway: Rig) -> list[Flow]:
    """Two hosts, by one address and port."""
    return [opened(gateway, f"10.1.0.{20 + n}", 4000 + n, POOL) for n in range(2)]


def outbound_packets(gateway: Rig) -> Callable[[], bytes | None]:
    frame = bytes(from_inside(udp(4000, 53), "10.1.0.20"))
    return lambda: run(gateway, frame)


def inbound_packets(gateway: Rig) -> Callable[[], bytes | None]:
    frame = bytes(from_outside(udp(53, 2000), POOL))
    return lambda: run_inbound(gateway, frame)


WAYS_OF_PACKETS = {
    "outbound": (outbound_flows, outbound_packets),
    "inbound": (inbound_flows, inbound_packets),
}


@pytest.mark.parametrize("way", WAYS_OF_PACKETS)
def test_packet_between_two_flows_is_translated_by_one(gateway: Rig, way: str) -> None:
    flows, packets = WAYS_OF_PACKETS[way]
    record, packet, good = Alternating(gateway, flows(gateway)), packets(gateway), []
    for image in record.images():
        record.become(image)
        good.append(packet())
    assert None not in good
    assert good[0] != good[1]

    def wrong() -> list[bytes]:
        seen = Counter[bytes | None]()
        for _ in rounds(MOST_SECONDS):
            seen[packet()] += 1
            if all(seen[frame] >= PACKETS for frame in good):
                break
        record.stop()
        assert all(seen[frame] for frame in good), seen
        return [frame for frame in seen if frame and frame not in good]

    assert together([record.change, wrong]) == []
