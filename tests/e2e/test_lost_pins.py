# SPDX-License-Identifier: Apache-2.0
"""Pins are lost while snatd is away: the next one, or `snatd --remove`, takes over what is attached."""

from __future__ import annotations

import os
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from snatsh.datapath import bpf_syscall
from snatsh.lab.namespaces import PIN_FOLDER, Lab
from tests.e2e.harness import Gateway, addresses, no_leak, running_gateway
from tests.waiting import wait

SERVER = "8.8.8.8"
RETURN_PASS = struct.pack("=BBhi", 0xB7, 0, 0, 2) + struct.pack("=BBhi", 0x95, 0, 0, 0)


def unpin_one(pattern: str) -> Callable[[Path], None]:
    def unpin(pins: Path) -> None:
        (path,) = pins.glob(pattern)
        path.unlink()

    return unpin


def unpin_folders(pattern: str) -> Callable[[Path], None]:
    def unpin(pins: Path) -> None:
        for folder in list(pins.glob(pattern)):
            shutil.rmtree(folder)

    return unpin


LOST: dict[str, Callable[[Path], None]] = {
    "the map of records": unpin_one("v*/records"),
    "a map that only a commit fills": unpin_one("v*/rules"),
    "the map of tail-called programs": unpin_one("v*/xdp_programs"),
    "an attached program": unpin_one("v*/programs-*/tc_inside"),
    "an XDP program": unpin_one("v*/programs-*/xdp_inside"),
    "the folder of programs": unpin_folders("v*/programs-*"),
    "the folder of the layout": unpin_folders("v*"),
    "everything": shutil.rmtree,
}


ALWAYS = {("xdp", "the map of records"), ("xdp", "an XDP program"), ("xdp", "everything"),
          ("tc", "everything")}  # fmt: skip
MATRIX = [
    pytest.param(hook, lost, marks=[] if (hook, lost) in ALWAYS else [pytest.mark.chaos])
    for hook in ("xdp", "tc", "auto")
    for lost in LOST
    if (hook, lost) != ("tc", "an XDP program")
]


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """A gateway that every test leaves complete."""
    with running_gateway(request.param) as running:
        yield running


@contextmanager
def connection(gateway: Gateway) -> Iterator[Callable[[], bytes]]:
    """An echo connection; what it yields sends a byte and returns the echo."""
    with gateway.client.entered():
        held = socket.create_connection((SERVER, 7), timeout=5)

    def echo() -> bytes:
        held.sendall(b"x")
        return held.recv(64)

    with held:
        held.recv(64)  # the source address
        yield echo


def seen_from(gateway: Gateway) -> str:
    done = gateway.client.run("curl", "-sS", "--max-time", "5", f"http://{SERVER}/", check=False)
    return done.stdout.strip().partition(":")[0].partition(" ")[0]


def frame_programs(gateway: Gateway) -> int:
    """How many interfaces have an XDP program."""
    return gateway.lab["gateway"].run("ip", "link").stdout.count("prog/xdp")


@pytest.mark.parametrize(("shared", "lost"), MATRIX, indirect=["shared"])
def test_start_without_pins_takes_over_attached_programs(shared: Gateway, lost: str) -> None:
    snatd = shared.snatd
    with no_leak(shared.lab), connection(shared) as echo:
        attached = frame_programs(shared)
        snatd.kill()
        LOST[lost](snatd.pins)
        assert echo() == b"x", "goes on without snatd"
        snatd.start()
        assert echo() == b"x", "goes on with the new one"
        assert seen_from(shared) in addresses("a")
        assert frame_programs(shared) == attached == (3 if shared.hook == "xdp" else 0)
        assert not [alarm for alarm in snatd.client.alarms().alarms if "interface" in alarm.text]
        assert len(list(snatd.pins.glob("*v*-*"))) == 1


@pytest.mark.parametrize(
    ("shared", "lost"),
    [("xdp", "everything"), ("tc", "the folder of programs"), ("auto", "everything")],
    indirect=["shared"],
)
def test_remove_detaches_programs_without_pins(shared: Gateway, lost: str) -> None:
    snatd, box = shared.snatd, shared.lab["gateway"]
    snatd.kill()
    LOST[lost](snatd.pins)
    box.run(*snatd.command("--remove"))
    assert "xdp" not in box.run("ip", "link").stdout
    assert "clsact" not in box.run("tc", "qdisc", "show").stdout
    assert not snatd.pins.exists()
    snatd.start()
    wait(lambda: seen_from(shared) in addresses("a"), "translated again")


class Apart(Gateway):
    """Its snatd sees a BPF file system of its own."""

    def __init__(self, lab: Lab, hook: str) -> None:
        super().__init__(lab, hook)
        unshare = ("unshare", "--mount", "--propagation", "private", "sleep", "infinity")
        mounts = Path(f"/proc/{lab.spawn('gateway', *unshare, log='mounts.log').pid}/ns/mnt")
        wait(lambda: mounts.readlink() != Path("/proc/self/ns/mnt").readlink(), "a mount namespace")
        self._enter = ("nsenter", f"--mount={mounts}", "--")
        self.unmount()  # this machine's
        self.mount()
        plain = self.snatd.command
        self.snatd.command = lambda *options: [*self._enter, *plain(*options)]  # type: ignore[method-assign]

    def mount(self) -> None:
        self.lab["gateway"].run(*self._enter, "mount", "-t", "bpf", "bpf", str(PIN_FOLDER))

    def unmount(self) -> None:
        self.lab["gateway"].run(*self._enter, "umount", "--lazy", str(PIN_FOLDER))


def test_unmounted_pins_are_reported_and_nothing_ends() -> None:
    with running_gateway("xdp", Apart) as gateway, no_leak(gateway.lab), connection(gateway) as echo:
        assert isinstance(gateway, Apart)
        snatd, text = gateway.snatd, "is no longer on a BPF file system: mount one"

        def alarms() -> list[str]:
            return [alarm.severity for alarm in snatd.client.alarms().alarms if text in alarm.text]

        gateway.unmount()
        wait(lambda: alarms() == ["major"], text)
        gateway.commit("set rules 10 pool c")
        assert echo() == b"x"
        snatd.kill()
        assert snatd.launch().wait(30) != 0
        assert f"{snatd.pins}: is not on a BPF file system" in snatd.log.read_text()
        assert echo() == b"x", "goes on"
        gateway.mount()
        snatd.start()
        assert echo() == b"x", "taken over"
        assert seen_from(gateway) in addresses("c")
        assert alarms() == []


@pytest.mark.parametrize("shared", ["xdp"], indirect=True)
def test_foreign_program_on_a_hook_is_a_major_alarm(shared: Gateway) -> None:
    def raised() -> list[str]:
        alarms = shared.snatd.client.alarms().alarms
        return [alarm.text for alarm in alarms if alarm.severity == "major"]

    with shared.lab["gateway"].entered():
        fd = bpf_syscall.load_program("other", bpf_syscall.XDP, RETURN_PASS, "GPL")
        attach_xdp(fd, socket.if_nametoindex("eth1"))
    number = bpf_syscall.program_id(fd)
    os.close(fd)
    expected = f"interface eth1 runs XDP program {number}, not the current programs of snatsh"
    wait(lambda: raised() == [expected], expected)
    shared.lab["gateway"].run("ip", "link", "set", "eth1", "xdpdrv", "off")
    wait(lambda: raised() == [], "its own program again")


def attach_xdp(fd: int, index: int) -> None:
    with IPRoute() as netlink:
        netlink.link("set", index=index, xdp={"attrs": [["IFLA_XDP_FD", fd], ["IFLA_XDP_FLAGS", 1 << 2]]})
