# SPDX-License-Identifier: Apache-2.0
"""Interfaces: traffic control, forwarding, rp_filter, bridge ports, and where XDP can redirect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from snatsh.datapath.hooks.netlink_hooks import xdp_program
from snatsh.datapath.hooks.traffic_control import other_filters, qdiscs
from snatsh.datapath.hooks.xdp_support import is_software, xdp_support
from snatsh.model.box import Bypass, Subject

_SETTINGS = Path("/proc/sys/net/ipv4/conf")
_STRICT = 1


def bypassed() -> Iterator[Bypass]:
    """Yield what frames and packets of an interface pass by. NetlinkError, OSError."""
    with IPRoute() as netlink:
        links = {link["index"]: link for link in netlink.get_links()}
        names = {index: str(link.get_attr("IFLA_IFNAME")) for index, link in links.items()}
        for qdisc in qdiscs(netlink):
            yield Bypass("qdisc", f"{qdisc}", names.get(qdisc.index, "?"))
        for found in other_filters(netlink):
            subject: Subject = "filter" if found.comes_first else "late filter"
            yield Bypass(subject, f"{found}", names.get(found.index, "?"))
    for link in links.values():
        yield from _master(link, names)
    yield from _redirects(links, names)
    for name in names.values():
        yield from _settings(name)


def _master(link: Any, names: dict[int, str]) -> Iterator[Bypass]:
    if link.get_nested("IFLA_LINKINFO", "IFLA_INFO_SLAVE_KIND") == "bridge":
        name = names[link["index"]]
        bridge = names.get(link.get_attr("IFLA_MASTER") or 0, "?")
        yield Bypass("bridge port", f"{name} is a port of bridge {bridge},", name)


def _redirects(links: dict[int, Any], names: dict[int, str]) -> Iterator[Bypass]:
    """Yield the interfaces that take no redirected frames. Many drivers tell once they have a program."""
    for index, supported in (xdp_support() or {}).items():
        link = links.get(index)
        if link is not None and not supported.takes_redirects and (xdp_program(link) or is_software(link)):
            yield Bypass("no redirect", "the driver takes no redirected frames,", names[index])


def _settings(name: str) -> Iterator[Bypass]:
    with suppress(OSError, ValueError):  # gone meanwhile
        if _setting(name, "forwarding") == 0 and _setting("all", "forwarding"):
            yield Bypass("forwarding", f"net.ipv4.conf.{name}.forwarding is 0,", name)
        if max(_setting("all", "rp_filter"), _setting(name, "rp_filter")) == _STRICT:
            yield Bypass("rp_filter", f"the reverse path filter of {name} is strict (1), which", name)


def _setting(interface: str, name: str) -> int:
    return int((_SETTINGS / interface / name).read_text())
