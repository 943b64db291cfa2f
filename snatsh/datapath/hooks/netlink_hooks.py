# SPDX-License-Identifier: Apache-2.0
"""What is attached to the interfaces of this network namespace, as the kernel reports it over netlink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
PREFIX = "snatsh:"
"""Begins the names of our filters."""

_TCA_BPF_ID = 11  # linux/pkt_cls.h; pyroute2 does not know it
_HEADER = 4  # of a netlink attribute


@dataclass(frozen=True, slots=True)
class TcFilter:
    """A BPF filter. program: its id, 0 where the kernel does not say."""

    name: str
    program: int


def xdp_program(link: Any) -> int:
    """Id of the XDP program on a link, 0 for none."""
    xdp = link.get_attr("IFLA_XDP")
    return int(xdp.get_attr("IFLA_XDP_PROG_ID") or 0) if xdp else 0


def filters(netlink: Any, index: int, parent: int) -> list[TcFilter]:
    """The filters at a hook, whoever attached them."""
    try:
        found = [entry.get_attr("TCA_OPTIONS") for entry in netlink.get_filters(index=index, parent=parent)]
    except NetlinkError:
        return []  # no clsact
    return [_filter(options) for options in found if options]


def our_filters(netlink: Any, index: int) -> dict[int, TcFilter]:
    """By parent, the filters of snatsh, with the names of their programs."""
    return {
        parent: TcFilter(one.name.removeprefix(PREFIX), one.program)
        for parent in (INGRESS, EGRESS)
        for one in filters(netlink, index, parent)
        if one.name.startswith(PREFIX)
    }


def attached_programs() -> tuple[frozenset[int], frozenset[int]]:
    """Ids of the XDP programs, whoever attached them, and of the programs of our TC filters."""
    with IPRoute() as netlink:
        links = list(netlink.get_links())
        ours = [one.program for link in links for one in our_filters(netlink, link["index"]).values()]
    return frozenset(map(xdp_program, links)) - {0}, frozenset(ours) - {0}


def _filter(options: Any) -> TcFilter:
    if not hasattr(options, "get_attr"):
        return TcFilter("", 0)
    return TcFilter(str(options.get_attr("TCA_BPF_NAME") or ""), _program_of(options))


def _program_of(options: Any) -> int:
    for name, value in options["attrs"]:
        if name == "UNKNOWN" and value["header"]["type"] == _TCA_BPF_ID:
            begin = value.offset + _HEADER
            return int.from_bytes(bytes(value.data[begin : begin + 4]), "little")
        if name == "TCA_BPF_ID":
            return int(value)
    return 0
