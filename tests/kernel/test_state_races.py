# SPDX-License-Identifier: Apache-2.0
"""The state of a flow under packets on two CPUs at once: each change counts once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.layers.inet import UDP

from tests.kernel.frames import from_inside, from_outside, udp
from tests.kernel.rig import Rig
from tests.kernel.two_cpus import Meeting, together

POOL = "1.1.2.100"
ONE = {"pools": {"a": {"address": [POOL]}}, "rules": {"1": {"pool": "a"}}}
FIRST_PORT, FLOWS = 2000, 2000
SOURCE_PORT_AT, DESTINATION_PORT_AT = 34, 36

pytestmark = pytest.mark.serial


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(ONE)
    gateway.forget()


def send(gateway: Rig, data: bytes) -> None:
    """From inside."""
    if gateway.hook == "xdp":
        gateway.run_xdp("xdp_inside", "eth0", data)
    elif gateway.hook == "tc":
        gateway.run_tc("tc_inside", "eth0", data, "eth0")
    else:
        gateway.run_tc("tc_outside_out", "eth1", data, "eth0")


def reply(gateway: Rig, data: bytes) -> None:
    if gateway.hook == "xdp":
        gateway.run_xdp("xdp_outside", "eth1", data)
    else:
        gateway.run_tc("tc_outside_in", "eth1", data)


def with_ports(frame: bytes, at: int) -> list[bytes]:
    """The frame for each flow; its checksum is 0, for none."""
    ports = range(FIRST_PORT, FIRST_PORT + FLOWS)
    return [frame[:at] + port.to_bytes(2, "big") + frame[at + 2 :] for port in ports]


def without_checksum(ports: UDP) -> UDP:
    ports.chksum = 0
    return ports


def test_first_reply_on_two_cpus_ends_the_half_open_state_once(gateway: Rig) -> None:
    asked = with_ports(bytes(from_inside(without_checksum(udp(1, 53)))), SOURCE_PORT_AT)
    replies = with_ports(bytes(from_outside(without_checksum(udp(53, 1)), POOL)), DESTINATION_PORT_AT)
    for frame in asked:
        send(gateway, frame)
    assert gateway.subscriber() == {"sessions": FLOWS, "half_open": FLOWS, "evicted": 0}
    meeting = Meeting()

    def replying(mine: int) -> Callable[[], list[bytes]]:
        def work() -> list[bytes]:
            for frame in replies:
                meeting.meet(mine)
                reply(gateway, frame)
            return []

        return work

    together([replying(0), replying(1)])
    assert gateway.subscriber() == {"sessions": FLOWS, "half_open": 0, "evicted": 0}
