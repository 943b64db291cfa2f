# SPDX-License-Identifier: Apache-2.0
"""Nanoseconds per packet of each program, from kernel statistics over BPF_PROG_TEST_RUN."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from tests.bench.report import Entry, progress
from tests.kernel.frames import from_inside, from_outside, udp
from tests.kernel.rig import Rig, rig

RUNS = 20_000
BPF_SYSCALL = 321  # x86-64
BPF_ENABLE_STATS = 32
DOCUMENT = {"pools": {"a": {"address": ["1.1.2.100-1.1.2.110"]}}, "rules": {"10": {"pool": "a"}}}
SOURCE_PORT = 14 + 20


def measure() -> list[Entry]:
    """Known flow, new flow, and ICMP error from outside, for both hooks."""
    found = []
    with _statistics():
        for hook, entry in (("xdp", "xdp_inside"), ("tc", "tc_inside")):
            progress(f"time per packet: {hook}")
            with rig(hook, max_flows=1 << 17) as gateway:
                gateway.commit(DOCUMENT)
                for what, program, run in _cases(gateway, hook, entry):
                    value = _per_run(gateway, program, run)
                    found.append(Entry("time per packet", what, hook, None, value, "ns"))
    return found


def _cases(gateway: Rig, hook: str, entry: str) -> Iterator[tuple[str, str, Callable[[int], object]]]:
    send = _sender(gateway, hook, entry, "eth0")
    known = bytes(from_inside(UDP(sport=5000, dport=53, chksum=0) / bytes(18)))
    sent = gateway.outbound(from_inside(udp(5000, 53))).frame
    yield "known flow", entry, lambda number: send(known)

    def fresh(number: int) -> object:
        return send(known[:SOURCE_PORT] + struct.pack("!H", 1024 + number) + known[SOURCE_PORT + 2 :])

    yield "new flow", entry, fresh
    quoted = ICMP(type=3, code=3) / Raw(bytes(sent[IP])[:28])
    error = bytes(from_outside(quoted, sent[IP].src, source="9.9.9.9"))
    answer = _sender(gateway, "tc", "tc_outside_in", "eth1")
    yield "ICMP error", "tc_outside_in", lambda number: answer(error)


def _sender(gateway: Rig, hook: str, program: str, interface: str) -> Callable[[bytes], object]:
    if hook == "xdp":
        return lambda data: gateway.run_xdp(program, interface, data)
    return lambda data: gateway.run_tc(program, interface, data, came_in=interface)


def _per_run(gateway: Rig, program: str, run: Callable[[int], object]) -> float:
    before = _run_statistics(gateway.datapath.programs[program])
    for number in range(RUNS):
        run(number)
    after = _run_statistics(gateway.datapath.programs[program])
    return round((after[0] - before[0]) / (after[1] - before[1]), 1)


def _run_statistics(program: int) -> tuple[int, int]:
    """Nanoseconds and runs so far."""
    lines = Path(f"/proc/self/fdinfo/{program}").read_text().splitlines()
    values = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return int(values["run_time_ns"]), int(values["run_cnt"])


@contextmanager
def _statistics() -> Iterator[None]:
    """The kernel keeps them as long as this is open."""
    attributes = ctypes.create_string_buffer(struct.pack("=I", 0), 4)  # BPF_STATS_RUN_TIME
    opened = ctypes.CDLL(None, use_errno=True).syscall(BPF_SYSCALL, BPF_ENABLE_STATS, attributes, 4)
    if opened < 0:
        raise OSError(ctypes.get_errno(), "BPF statistics can't be switched on")
    try:
        yield
    finally:
        os.close(opened)
