# SPDX-License-Identifier: Apache-2.0
"""Hooks in other network namespaces: pins are shared by all that mount the same bpffs, interfaces are not."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from snatsh.datapath.capabilities import Capability, holds
from snatsh.datapath.errors import DatapathError
from snatsh.datapath.hooks.netlink_hooks import our_filters, xdp_program
from snatsh.datapath.loading import loader, namespace_mark
from snatsh.datapath.loading.own_programs import OwnPrograms

_CLONE_NEWNET = 0x40000000
_FIRST_PID_NAMESPACE = 0xEFFFFFFC  # linux/proc_ns.h: PROC_PID_INIT_INO
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class HooksElsewhere:
    """path: by which the network namespace can be entered. interfaces: that have programs of ours there."""

    path: Path
    interfaces: tuple[str, ...]


class AttachedElsewhere(DatapathError):
    """The programs of the pins are attached in another network namespace."""

    def __init__(self, pins: Path, found: HooksElsewhere, option: str) -> None:
        super().__init__(
            f"the datapath of {pins} runs in another network namespace; nothing was changed\n"
            f"found: hooks on {', '.join(found.interfaces)} in the namespace of {found.path}\n"
            f"do: nsenter --net={found.path} snatd{option} --pins {pins}; a gateway in this namespace\n"
            "  needs --pins, --state and --socket of its own"
        )


class NamespaceUnknown(DatapathError):
    """The datapath was attached in a namespace that cannot be found from here."""

    def __init__(self, pins: Path, namespace: int) -> None:
        super().__init__(
            f"the datapath of {pins} runs in another network namespace; nothing was changed\n"
            f"expected: the namespace net:[{namespace}], which cannot be found or entered from here\n"
            "do: run `snatd --remove` in the container or namespace of the gateway; if that has ended, its\n"
            f"  interfaces went with it, and what is left are the pins: rm -r {pins}"
        )


def require_own(pins: Path) -> None:
    """Refuse to remove pins whose programs are attached in another namespace."""
    _refuse_elsewhere(pins, " --remove")
    mark = namespace_mark.read(pins)
    if mark not in (None, namespace_mark.own()) and not _sees_all():
        raise NamespaceUnknown(pins, mark or 0)


def require_unused(pins: Path) -> None:
    """Refuse to start over pins in use in another namespace. One not found went with its container."""
    if namespace_mark.read(pins) not in (None, namespace_mark.own()):
        _refuse_elsewhere(pins, "")


def _refuse_elsewhere(pins: Path, option: str) -> None:
    own = OwnPrograms(loader.program_pins(pins))
    try:
        found = _find(frozenset(own.names))
    finally:
        own.close()
    if found is not None:
        raise AttachedElsewhere(pins, found, option)


def _find(programs: frozenset[int]) -> HooksElsewhere | None:
    """Search the other namespaces for these programs, in a thread, which does not return from there."""
    if not programs:
        return None
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_search, programs).result()


def _search(programs: frozenset[int]) -> HooksElsewhere | None:
    seen = {namespace_mark.own()}
    for path in _paths():
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # its process has ended
        try:
            inode = os.fstat(descriptor).st_ino
            if inode in seen:
                continue
            seen.add(inode)
            if interfaces := _hooks_in(descriptor, programs):
                return HooksElsewhere(path, interfaces)
        finally:
            os.close(descriptor)
    return None


def _hooks_in(namespace: int, programs: frozenset[int]) -> tuple[str, ...]:
    """Enter a namespace and list the interfaces that have one of the programs; none where it is closed."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
        return ()
    with suppress(NetlinkError, OSError), IPRoute() as netlink:
        return tuple(
            str(link.get_attr("IFLA_IFNAME"))
            for link in netlink.get_links()
            if programs
            & {xdp_program(link), *(one.program for one in our_filters(netlink, link["index"]).values())}
        )
    return ()


def _paths() -> Iterator[Path]:
    """Paths of network namespaces: those with a name, of processes, and those that processes hold open."""
    for line in (_PROC / "self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[3].startswith("net:["):
            yield Path(fields[4])
    processes = [path for path in _PROC.iterdir() if path.name.isdigit()]
    yield from (process / "ns/net" for process in processes)
    for process in processes:
        with suppress(OSError):
            for entry in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(entry.readlink()).startswith("net:["):
                        yield entry


def _sees_all() -> bool:
    """Whether no namespace is hidden from this process, as it is in a container, or closed to it."""
    outermost = (_PROC / "self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE
    return outermost and holds(Capability.SYS_ADMIN)
