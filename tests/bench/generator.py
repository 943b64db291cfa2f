# SPDX-License-Identifier: Apache-2.0
"""The packet generator: an XDP program that the kernel runs on live frames, and a counter at the far end.

BPF_PROG_TEST_RUN hands the program pages in batches; what it redirects goes out by a veth like a packet
that came by wire. Everything up to the far end runs in the softirqs of one CPU, so packets per second are
per core, generator included.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import bcc
from pyroute2 import IPRoute

from snatsh.datapath.bcc.toolchain import cflags, kernel_environment
from snatsh.lab.namespaces import LabError, Namespace

SOURCE = Path(__file__).with_name("generator.c")
PAYLOAD = 18  # the smallest Ethernet frame: 60 bytes and the check sum
HEADERS = 14 + 20 + 8
DESTINATION_PORT = 9
INSIDE = IPv4Network("10.40.0.0/16")
REMOTE = "203.0.113.9"

BPF_SYSCALL = 321  # x86-64
BPF_PROG_TEST_RUN = 10
BPF_F_TEST_XDP_LIVE_FRAMES = 2
TEST_RUN = struct.Struct("=IIIIQQIIIIQQIII4x")
DURATION = 7  # its field


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent: `flows` UDP endpoints, spread over `clients` addresses from `source` on, over and over.

    first: the endpoint that it begins with. stride: from each packet's endpoint to the next one's.
    """

    port: str
    gateway_mac: str
    flows: int
    first: int = 0
    stride: int = 1
    source: str = str(INSIDE[256])
    clients: int = 256
    destination: str = REMOTE


class Frames:
    """The loaded programs. One plan and one shortcut at a time."""

    def __init__(self) -> None:
        constants = {
            "PAYLOAD": PAYLOAD,
            "DESTINATION_PORT": DESTINATION_PORT,
            "INSIDE_NETWORK": int(INSIDE.network_address),
            "INSIDE_MASK": int(INSIDE.netmask),
        }
        defines = [f"-D{name}={value:#x}" for name, value in constants.items()]
        os.environ.update(kernel_environment())
        self._bpf = bcc.BPF(src_file=str(SOURCE), cflags=[*cflags(), *defines])
        self._generate = self._bpf.load_func("generate", bcc.BPF.XDP).fd
        self._shortcut = self._bpf.load_func("shortcut", bcc.BPF.XDP).fd
        self._forward = self._bpf.load_func("forward", bcc.BPF.XDP).fd
        self._reflect = self._bpf.load_func("reflect", bcc.BPF.XDP).fd
        self._count = self._bpf.load_func("count", bcc.BPF.XDP).fd

    def load_plan(self, generator: Namespace, plan: Plan) -> None:
        index, mac = interface(generator, plan.port)
        addresses = (int(IPv4Address(plan.source)), int(IPv4Address(plan.destination)))
        numbers = struct.pack(
            "=QIIIIII", plan.first, index, plan.flows, plan.clients, plan.stride, *addresses
        )
        self._set("plans", numbers + mac + _mac(plan.gateway_mac))

    def send(self, packets: int) -> float:
        """Send so many of the loaded plan's packets; returns the seconds it took.

        The time is the kernel's own, without the 25 ms that setting a run up and waiting for its pages costs.
        The caller has entered the generator's namespace.
        """
        frame = ctypes.create_string_buffer(HEADERS + PAYLOAD)
        run = TEST_RUN.pack(
            self._generate, 0, len(frame), 0, ctypes.addressof(frame), 0, packets, 0, 0, 0, 0, 0,
            BPF_F_TEST_XDP_LIVE_FRAMES, 0, 0,
        )  # fmt: skip
        attributes = ctypes.create_string_buffer(run, len(run))
        if _libc.syscall(BPF_SYSCALL, BPF_PROG_TEST_RUN, attributes, len(run)):
            raise LabError(f"the kernel did not run the generator: {os.strerror(ctypes.get_errno())}")
        nanoseconds: float = TEST_RUN.unpack(attributes.raw)[DURATION] + 0.5  # a packet's, rounded down
        return packets * nanoseconds / 1e9

    def arrived(self) -> tuple[int, int]:
        """Packets counted at the far end since the start: translated, and as they were sent."""
        table = self._bpf["arrived"]
        translated, untranslated = (sum(table[ctypes.c_int(index)]) for index in (0, 1))
        return int(translated), int(untranslated)

    def attach_counter(self, sink: Namespace, port: str) -> None:
        _attach(sink, port, self._count)

    def attach_reflector(self, sink: Namespace, port: str) -> None:
        _attach(sink, port, self._reflect)

    def attach_forwarder(self, gateway: Namespace, inside: str) -> None:
        _attach(gateway, inside, self._forward)

    def attach_shortcut(self, gateway: Namespace, inside: str, outside: str, next_hop_mac: str) -> None:
        index, mac = interface(gateway, outside)
        self._set("shortcuts", struct.pack("=I", index) + mac + _mac(next_hop_mac))
        _attach(gateway, inside, self._shortcut)

    def _set(self, name: str, value: bytes) -> None:
        table = self._bpf[name]
        leaf = table.Leaf()
        assert len(value) <= ctypes.sizeof(leaf)
        ctypes.memmove(ctypes.byref(leaf), value, len(value))
        table[ctypes.c_int(0)] = leaf


def interface(namespace: Namespace, name: str) -> tuple[int, bytes]:
    """Index and hardware address."""
    with _routes(namespace) as routes:
        (link,) = routes.link("get", ifname=name)
        return link["index"], _mac(link.get_attr("IFLA_ADDRESS"))


def _attach(namespace: Namespace, name: str, program: int) -> None:
    index, _ = interface(namespace, name)
    with _routes(namespace) as routes:
        routes.link("set", index=index, xdp_fd=program)


@contextmanager
def _routes(namespace: Namespace) -> Iterator[IPRoute]:
    with namespace.entered(), IPRoute() as routes:
        yield routes


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


_libc = ctypes.CDLL(None, use_errno=True)
