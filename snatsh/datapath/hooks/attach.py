# SPDX-License-Identifier: Apache-2.0
"""Programs on interfaces: native XDP and clsact filters, by netlink (pyroute2).

Attachments are found again by the ids of our programs and by the names of the filters, so a new snatd needs
no memory of what an earlier one attached. What others attached is never touched.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from snatsh.compile.image import HookRequest
from snatsh.datapath.errors import AttachError
from snatsh.datapath.hooks.netlink_hooks import (
    EGRESS,
    INGRESS,
    PREFIX,
    TcFilter,
    filters,
    our_filters,
    xdp_program,
)
from snatsh.datapath.hooks.traffic_control import PRIORITY, stands_in_the_way
from snatsh.datapath.hooks.xdp_support import is_software, xdp_support
from snatsh.datapath.loading.own_programs import OwnPrograms
from snatsh.datapath.loading.program_set import ProgramSet
from snatsh.model.facts import Framing

__all__ = ["Attacher", "Detacher", "Hook", "HookRequest", "Standing"]

_XDP_DRIVER_MODE, _XDP_ATTACHED_NATIVE = 1 << 2, 1
_ETHER = 1
_BARE = frozenset({0xFFFE, 512, 519, 768})
"""NONE (tun, WireGuard), PPP, RAWIP, TUNNEL: for these the kernel's redirect takes a frame's header off."""
_CLSACT, _CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000
_ETH_P_ALL_BE = 0x0300

# role -> what is attached at TC ingress and egress, and in XDP
_TC: dict[str, dict[int, str]] = {
    "inside": {INGRESS: "tc_inside", EGRESS: "tc_inside_out"},
    "outside": {INGRESS: "tc_outside_in", EGRESS: "tc_outside_out"},
}
_PLAIN = {INGRESS: "tc_l3_in", EGRESS: "tc_l3_out"}
"""Outside, on devices without Ethernet header. They get no XDP program: it would take packets for frames."""
_XDP = {"inside": "xdp_inside", "outside": "xdp_outside"}


@dataclass(frozen=True, slots=True)
class Hook:
    """An interface the datapath is attached to."""

    interface: str
    index: int
    role: Literal["inside", "outside"]
    mode: Literal["xdp", "tc"]


@dataclass(frozen=True, slots=True)
class Standing:
    """An interface and what is attached to it. hook: None where no role is complete.

    is_current: whether the programs of the hook are those of this process. other: what else runs, in words.
    """

    interface: str
    index: int
    hook: Hook | None
    is_current: bool
    other: str


class Detacher:
    """Detaches programs of ours in this process's network namespace.

    own: those that were there before, older ones included. current: of this version, names by id.
    """

    def __init__(self, own: OwnPrograms, current: Mapping[int, str]) -> None:
        self._own = own
        self._current = current

    def prune(self, wishes: Iterable[HookRequest]) -> None:
        """Detach from every interface that is not wished for."""
        kept = {wish.index for wish in wishes}
        with IPRoute() as netlink:
            for link in netlink.get_links():
                if link["index"] not in kept:
                    self._detach(netlink, link)

    def forget_older(self) -> None:
        """Let go of the programs that were there before: none of them is attached any more."""
        self._own.close()

    def _name_of(self, program: int) -> str:
        """The name of a program of ours, of any version; empty for another's."""
        return self._current.get(program) or self._own.names.get(program, "")

    def _drop_xdp(self, netlink: Any, link: Any) -> None:
        if self._name_of(xdp_program(link)):
            _set_xdp(netlink, link["index"], -1)

    @staticmethod
    def _drop_filter(netlink: Any, index: int, parent: int) -> None:
        if parent in our_filters(netlink, index):
            netlink.tc("del-filter", "bpf", index, 1, parent=parent, prio=PRIORITY)

    def _detach(self, netlink: Any, link: Any) -> None:
        """Detach the programs of snatsh, and remove the clsact qdisc if nothing else uses it."""
        index = link["index"]
        if not (self._name_of(xdp_program(link)) or our_filters(netlink, index)):
            return
        self._drop_xdp(netlink, link)
        for parent in (INGRESS, EGRESS):
            self._drop_filter(netlink, index, parent)
        if _has_clsact(netlink, index) and not any(
            filters(netlink, index, parent) for parent in (INGRESS, EGRESS)
        ):
            netlink.tc("del", "clsact", index)


class Attacher(Detacher):
    """Attaches and detaches the programs of this version."""

    def __init__(self, programs: ProgramSet, own: OwnPrograms) -> None:
        super().__init__(own, programs.names)
        self._programs = programs
        self._takes_no_redirects: set[int] = set()

    def attached(self) -> tuple[Hook, ...]:
        """What is attached now, by interface index. An interface without its guard does not count."""
        return tuple(standing.hook for standing in self.standing() if standing.hook)

    def standing(self) -> tuple[Standing, ...]:
        """Every interface, with what is attached to it."""
        with IPRoute() as netlink:
            return tuple(self._standing_of(netlink, link) for link in netlink.get_links())

    def ensure(self, wishes: Sequence[HookRequest]) -> None:
        """Attach what is missing or of another version. On LoadError or AttachError nothing has changed."""
        if any(wish.mode != "tc" for wish in wishes):
            self._programs.require("xdp")
        before: list[tuple[int, int, dict[int, TcFilter]]] = []
        wish = None
        with IPRoute() as netlink:
            try:
                # The guards of the outside first: nothing may come in translated before they stand.
                for wish in sorted(wishes, key=lambda wish: wish.role != "outside"):
                    link = self._link(netlink, wish)
                    before.append((wish.index, xdp_program(link), our_filters(netlink, wish.index)))
                    self._attach(netlink, wish, link)
            except (AttachError, NetlinkError, OSError) as error:
                for index, program, held in reversed(before):
                    with suppress(NetlinkError, IndexError):  # the interface is gone, and its hooks with it
                        self._restore(netlink, netlink.get_links(index)[0], program, held)
                if isinstance(error, AttachError):
                    raise
                raise AttachError(wish.interface if wish else "", f"can't attach: {error}") from error

    def _restore(self, netlink: Any, link: Any, program: int, held: Mapping[int, TcFilter]) -> None:
        """Attach again what was there, of whichever version."""
        if not (held or self._name_of(program)):
            self._detach(netlink, link)
            return
        if not program:
            self._drop_xdp(netlink, link)
        elif self._name_of(program) and program != xdp_program(link):
            _set_xdp(netlink, link["index"], self._descriptor(program))
        for parent in (INGRESS, EGRESS):
            if parent not in held:
                self._drop_filter(netlink, link["index"], parent)
            elif self._name_of(held[parent].program):
                self._put_filter(
                    netlink, link["index"], parent, held[parent].name, self._descriptor(held[parent].program)
                )

    def _descriptor(self, program: int) -> int:
        if program in self._current:
            return self._programs[self._current[program]]
        return self._own.descriptor(program)

    def _attach(self, netlink: Any, wish: HookRequest, link: Any) -> None:
        plain = _is_plain(wish, link)
        current = self._standing_of(netlink, link).hook
        if current and current.role != wish.role:
            self._detach(netlink, link)
        if plain or wish.mode == "tc" or (wish.mode == "auto" and not self._may_take_xdp(netlink, link)):
            self._drop_xdp(netlink, link)
        else:
            self._attach_xdp(netlink, wish, link)
        wanted = _PLAIN if plain else _TC[wish.role]
        held = our_filters(netlink, wish.index)
        for parent in (INGRESS, EGRESS):
            if parent in wanted:
                name = wanted[parent]
                # Without need it would be reported as a change of the host.
                if parent not in held or not self._is_current(held[parent], name):
                    self._put_filter(netlink, wish.index, parent, name, self._programs[name])
            else:
                self._drop_filter(netlink, wish.index, parent)

    def _is_current(self, held: TcFilter, name: str) -> bool:
        return held.name == name and self._current.get(held.program) == name

    @staticmethod
    def _link(netlink: Any, wish: HookRequest) -> Any:
        try:
            link = netlink.get_links(wish.index)[0]
        except (NetlinkError, IndexError) as error:
            raise AttachError(wish.interface, "no such interface") from error
        return link

    def _may_take_xdp(self, netlink: Any, link: Any) -> bool:
        """Whether mode auto takes XDP where the driver has it: only if nothing is lost or passed by."""
        index = link["index"]
        return not (
            is_software(link) or index in self._takes_no_redirects or stands_in_the_way(netlink, index)
        )

    def _attach_xdp(self, netlink: Any, wish: HookRequest, link: Any) -> None:
        """Attach native XDP. Without driver support, mode auto uses tc and mode xdp is an error."""
        holder = xdp_program(link)
        if holder and not self._name_of(holder):
            if wish.mode == "auto":
                return
            raise AttachError(
                wish.interface, f"another XDP program (id {holder}) is attached; detach it, or use hook tc"
            )
        if self._current.get(holder) == _XDP[wish.role]:
            return
        try:
            _set_xdp(netlink, wish.index, self._programs[_XDP[wish.role]])
        except NetlinkError as error:
            if wish.mode == "xdp":
                raise AttachError(
                    wish.interface, f"the driver does not support native XDP ({error.args[-1]}); set hook tc"
                ) from error
            return
        supported = (xdp_support() or {}).get(wish.index)
        if wish.mode == "auto" and supported and not supported.takes_redirects:
            self._takes_no_redirects.add(wish.index)
            _set_xdp(netlink, wish.index, -1)

    @staticmethod
    def _put_filter(netlink: Any, index: int, parent: int, name: str, fd: int) -> None:
        try:
            netlink.tc("add", "clsact", index)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        netlink.tc(
            "replace-filter",
            "bpf",
            index,
            1,
            fd=fd,
            name=PREFIX + name,
            parent=parent,
            prio=PRIORITY,
            direct_action=True,
        )

    def _standing_of(self, netlink: Any, link: Any) -> Standing:
        name, index, program = link.get_attr("IFLA_IFNAME"), link["index"], xdp_program(link)
        held = our_filters(netlink, index)
        names = {parent: one.name for parent, one in held.items()}
        other = [] if not program or program in self._current else [f"XDP program {program}"]
        other += [f"TC program {one.name}" for one in held.values() if one.program not in self._current]
        hook = None
        for role in ("inside", "outside"):
            if names == _TC[role] or (names == _PLAIN and role == "outside"):
                by_xdp = self._name_of(program) == _XDP[role]
                hook = Hook(name, index, role, "xdp" if by_xdp else "tc")
        is_old = self._name_of(program) and program not in self._current
        is_current = not is_old and all(one.program in self._current for one in held.values())
        return Standing(name, index, hook, is_current, ", ".join(other))


def framing(link: Any) -> Framing:
    """What the packets of a device begin with, by its type (linux/if_arp.h)."""
    return "ethernet" if link["ifi_type"] == _ETHER else "none" if link["ifi_type"] in _BARE else "other"


def _is_plain(wish: HookRequest, link: Any) -> bool:
    """Whether the device has no Ethernet header. AttachError where nothing can be done with it."""
    found = framing(link)
    if found != "ethernet" and (wish.role == "inside" or found == "other"):
        raise AttachError(wish.interface, "is no Ethernet device")
    if found == "none" and wish.mode == "xdp":
        raise AttachError(wish.interface, "has no Ethernet header for XDP; use hook auto or tc")
    return found == "none"


def _set_xdp(netlink: Any, index: int, fd: int) -> None:
    """Attach (or with -1 detach) in the driver; never generic XDP."""
    attributes = [["IFLA_XDP_FD", fd], ["IFLA_XDP_FLAGS", _XDP_DRIVER_MODE]]
    netlink.link("set", index=index, xdp={"attrs": attributes})


def _has_clsact(netlink: Any, index: int) -> bool:
    return any(entry.get_attr("TCA_KIND") == "clsact" for entry in netlink.get_qdiscs(index=index))
