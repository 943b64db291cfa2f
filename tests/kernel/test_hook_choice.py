# SPDX-License-Identifier: Apache-2.0
"""Hook auto: XDP, but for what it would lose or pass by."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snatsh.datapath.bpf_syscall import load_program
from snatsh.datapath.hooks import attach
from snatsh.engine.box import devices
from tests.kernel.rig import Rig

BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, BPF_LINK_CREATE = 3, 46, 28
ROLES = {"eth0": "inside", "eth1": "outside", "eth2": "outside"}
CATCH = "protocol ip u32 match ip dst 198.18.9.9/32 flowid 1:1"
IN_THE_WAY = {
    "a shaper": ("qdisc add dev {} root tbf rate 1gbit burst 100k latency 50ms", "qdisc delete dev {} root"),
    "a filter": (
        f"filter add dev {{}} ingress pref 10 {CATCH}",
        "filter delete dev {} ingress pref 10",
    ),
}
NOT_IN_THE_WAY = {
    "a usual qdisc": ("qdisc add dev {} root pfifo_fast", "qdisc delete dev {} root"),
    "a filter that comes later": (
        f"filter add dev {{}} egress pref 2000 {CATCH}", "filter delete dev {} egress pref 2000"
    ),
}  # fmt: skip


@pytest.fixture
def rig(by_xdp: Rig) -> Iterator[Rig]:
    for _, name in socket.if_nameindex():  # both ends lie in one namespace
        subprocess.run(["ethtool", "-K", name, "gro", "on"], check=False, stderr=subprocess.DEVNULL)
    yield by_xdp
    by_xdp.commit({})


def names(rig: Rig) -> list[str]:
    return [hook.interface for hook in rig.datapath.attached()]


def modes(rig: Rig) -> dict[str, str]:
    rig.commit({"interfaces": {name: {"role": role, "hook": "auto"} for name, role in ROLES.items()}})
    return {hook.interface: hook.mode for hook in rig.datapath.attached()}


class LinkCreate(ctypes.Structure):
    """Of union bpf_attr, for BPF_LINK_CREATE."""

    _fields_ = [("program", ctypes.c_uint32), ("ifindex", ctypes.c_uint32), ("attach_type", ctypes.c_uint32),
                ("flags", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 16)]  # fmt: skip


@contextmanager
def tcx_program(interface: str) -> Iterator[None]:
    """A program that lets the next one decide."""
    next_one, ending = bytes.fromhex("b7000000ffffffff"), bytes.fromhex("9500000000000000")
    program = load_program("next_one", BPF_PROG_TYPE_SCHED_CLS, next_one + ending, "GPL")
    request = LinkCreate(program, socket.if_nametoindex(interface), BPF_TCX_INGRESS)
    command = (BPF_LINK_CREATE, ctypes.byref(request), ctypes.sizeof(request))
    link = ctypes.CDLL(None, use_errno=True).syscall(BPF_SYSCALL, *command)
    os.close(program)
    assert link >= 0, os.strerror(ctypes.get_errno())
    yield
    os.close(link)


def tc(command: str, interface: str) -> None:
    subprocess.run(["tc", *command.format(interface).split()], check=True)


def test_virtual_interfaces_take_tc(rig: Rig) -> None:
    assert set(modes(rig).values()) == {"tc"}


@pytest.mark.parametrize("thing", [*IN_THE_WAY, *NOT_IN_THE_WAY])
def test_what_is_in_the_way_of_xdp(rig: Rig, monkeypatch: pytest.MonkeyPatch, thing: str) -> None:
    monkeypatch.setattr(attach, "is_software", lambda _: False)
    first, *others = names(rig)
    assert set(modes(rig).values()) == {"xdp"}
    put, take_away = {**IN_THE_WAY, **NOT_IN_THE_WAY}[thing]
    tc(put, first)
    try:
        assert modes(rig) == {first: "tc" if thing in IN_THE_WAY else "xdp", **dict.fromkeys(others, "xdp")}
    finally:
        tc(take_away, first)
    assert set(modes(rig).values()) == {"xdp"}


def test_program_of_a_link_is_in_the_way_of_xdp(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "is_software", lambda _: False)
    first, *_ = names(rig)
    assert modes(rig)[first] == "xdp"
    with tcx_program(first):
        assert modes(rig)[first] == "tc"
        found = [one for one in devices.bypassed() if one.what.startswith("tcx program")]
        assert [(one.subject, one.interface) for one in found] == [("filter", first)]
    assert modes(rig)[first] == "xdp"
