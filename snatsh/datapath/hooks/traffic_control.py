# SPDX-License-Identifier: Apache-2.0
"""What others have set up in traffic control: queueing disciplines, and filters at clsact and ingress."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from snatsh.datapath import bpf_syscall
from snatsh.datapath.hooks.netlink_hooks import EGRESS, INGRESS, PREFIX

PRIORITY = 0x5A7
"""Preference of our filters. They end the classification, so filters with a larger one are never asked."""

_DEFAULT_QDISCS = frozenset({"noqueue", "noop", "pfifo_fast", "fq_codel", "fq", "mq"})
"""What a device has when nothing is configured, or by the usual values of net.core.default_qdisc."""
_AT_CLSACT = frozenset({"clsact", "ingress"})


@dataclass(frozen=True, slots=True)
class Qdisc:
    """A queueing discipline that is configured."""

    index: int
    kind: str
    handle: int
    root: bool

    def __str__(self) -> str:
        where = "root" if self.root else "below the root"
        return f"qdisc {self.kind} {self.handle >> 16:x}: ({where})"


@dataclass(frozen=True, slots=True)
class OtherFilter:
    """A filter that is not ours. comes_first: whether it is asked before ours."""

    index: int
    direction: str
    name: str
    comes_first: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.direction})"


_TC_H_ROOT = 0xFFFFFFFF
_TCX = {"ingress": 46, "egress": 47}
"""BPF_TCX_INGRESS and BPF_TCX_EGRESS of linux/bpf.h."""


def qdiscs(netlink: Any, index: int | None = None) -> list[Qdisc]:
    """The queueing disciplines that do more than the default, of one or all interfaces."""
    return [
        Qdisc(entry["index"], str(entry.get_attr("TCA_KIND")), entry["handle"], entry["parent"] == _TC_H_ROOT)
        for entry in _qdiscs(netlink, index)
        if entry.get_attr("TCA_KIND") not in _DEFAULT_QDISCS | _AT_CLSACT
    ]


def other_filters(netlink: Any, index: int | None = None) -> list[OtherFilter]:
    """The filters of others at clsact or ingress, of one or all interfaces."""
    found: dict[OtherFilter, None] = {}
    places = {entry["index"] for entry in _qdiscs(netlink, index) if entry.get_attr("TCA_KIND") in _AT_CLSACT}
    for place in sorted(places):
        for direction, parent in (("ingress", INGRESS), ("egress", EGRESS)):
            for entry in _filters(netlink, place, parent):
                preference = entry["info"] >> 16
                name = f"tc filter {entry.get_attr('TCA_KIND')} pref {preference}"
                found[OtherFilter(place, direction, name, preference < PRIORITY)] = None
    return [*found, *_tcx_programs([index] if index else [number for number, _ in socket.if_nameindex()])]


def _tcx_programs(indices: Iterable[int]) -> Iterator[OtherFilter]:
    """Yield programs that BPF links attach (Linux 6.6 and later). They come before all filters."""
    for index in indices:
        for direction, attach_type in _TCX.items():
            with suppress(OSError):
                for program in bpf_syscall.attached_to(index, attach_type):
                    yield OtherFilter(index, direction, f"tcx program {program}", comes_first=True)


def stands_in_the_way(netlink: Any, index: int) -> bool:
    """Whether XDP would pass by what is configured on an interface, and TC would not."""
    return bool(qdiscs(netlink, index)) or any(one.comes_first for one in other_filters(netlink, index))


def _qdiscs(netlink: Any, index: int | None) -> Iterator[Any]:
    # The kernel lists them all, whichever interface is asked for.
    for entry in netlink.get_qdiscs(index=index) if index else netlink.get_qdiscs():
        if index in (None, entry["index"]):
            yield entry


def _filters(netlink: Any, index: int, parent: int) -> Iterator[Any]:
    try:
        found = list(netlink.get_filters(index=index, parent=parent))
    except NetlinkError:
        return  # gone meanwhile
    for entry in found:
        options = entry.get_attr("TCA_OPTIONS")
        if options is None:
            continue  # the head of a list
        name = options.get_attr("TCA_BPF_NAME") if hasattr(options, "get_attr") else None
        if not str(name or "").startswith(PREFIX):
            yield entry
