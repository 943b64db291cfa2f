# SPDX-License-Identifier: Apache-2.0
"""Programs on interfaces: native XDP and clsact filters, by netlink (pyroute2).

Attachments are found again by the ids of the pinned programs and by the names of the filters, so a new
snatd needs no memory of what an earlier one attached. What others attached is never touched.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from snatsh.compile.image import HookRequest
from snatsh.datapath.errors import AttachError
from snatsh.model.facts import Framing

__all__ = ["Attacher", "Hook", "HookRequest"]

_XDP_DRIVER_MODE, _XDP_ATTACHED_NATIVE = 1 << 2, 1
_ETHER = 1
_BARE = frozenset({0xFFFE, 512, 519, 768})
"""NONE (tun, WireGuard), PPP, RAWIP, TUNNEL: for these the kernel's redirect takes a frame's header off."""
_PRIORITY = 0x5A7
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_CLSACT, _CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000
_ETH_P_ALL_BE = 0x0300

# role -> what is attached at TC ingress and egress, and in XDP
_TC: dict[str, dict[int, str]] = {
    "inside": {_INGRESS: "tc_inside", _EGRESS: "tc_inside_out"},
    "outside": {_INGRESS: "tc_outside_in", _EGRESS: "tc_outside_out"},
}
_PLAIN = {_INGRESS: "tc_l3_in", _EGRESS: "tc_l3_out"}
"""Outside, on devices without Ethernet header. They get no XDP program: it would take packets for frames."""
_XDP = {"inside": "xdp_inside", "outside": "xdp_outside"}


@dataclass(frozen=True, slots=True)
class Hook:
    """An interface the datapath is attached to."""

    interface: str
    index: int
    role: Literal["inside", "outside"]
    mode: Literal["xdp", "tc"]


class Attacher:
    """Attaches and detaches in this process's network namespace.

    programs: file descriptors by name. own_ids: the ids of all our pinned programs, older ones included.
    """

    def __init__(self, programs: Mapping[str, int], own_ids: Mapping[int, str]) -> None:
        self._programs = programs
        self._own_ids = own_ids

    def attached(self) -> tuple[Hook, ...]:
        """What is attached now, by interface index. An interface without its guard does not count."""
        with IPRoute() as netlink:
            hooks = (self._hook_of(netlink, link) for link in netlink.get_links())
            return tuple(hook for hook in hooks if hook)

    def ensure(self, wishes: Sequence[HookRequest]) -> None:
        """Attach what is missing or of another version. On AttachError nothing has changed."""
        before = {hook.index: hook for hook in self.attached()}
        done: list[HookRequest] = []
        with IPRoute() as netlink:
            try:
                # The guards of the outside first: nothing may come in translated before they stand.
                for wish in sorted(wishes, key=lambda wish: wish.role != "outside"):
                    done.append(wish)
                    self._attach(netlink, wish)
            except (AttachError, NetlinkError, OSError) as error:
                self._undo(netlink, done, before)
                if isinstance(error, AttachError):
                    raise
                raise AttachError(done[-1].interface, f"can't attach: {error}") from error

    def prune(self, wishes: Iterable[HookRequest]) -> None:
        """Detach from every interface that is not wished for."""
        kept = {wish.index for wish in wishes}
        with IPRoute() as netlink:
            for link in netlink.get_links():
                if link["index"] not in kept:
                    self._detach(netlink, link)

    def _undo(self, netlink: Any, done: list[HookRequest], before: Mapping[int, Hook]) -> None:
        for wish in done:
            old = before.get(wish.index)
            try:
                if old:
                    self._attach(netlink, HookRequest(old.interface, old.index, old.role, old.mode))
                else:
                    self._detach(netlink, netlink.get_links(wish.index)[0])
            except (NetlinkError, AttachError):
                continue  # the interface is gone, and its hooks with it

    def _attach(self, netlink: Any, wish: HookRequest) -> None:
        link = self._link(netlink, wish)
        plain = _is_plain(wish, link)
        current = self._hook_of(netlink, link)
        if current and current.role != wish.role:
            self._detach(netlink, link)
        if plain or wish.mode == "tc":
            self._drop_xdp(netlink, link)
        else:
            self._attach_xdp(netlink, wish, link)
        filters = _PLAIN if plain else _TC[wish.role]
        for parent in (_INGRESS, _EGRESS):
            if parent in filters:
                self._put_filter(netlink, wish.index, parent, filters[parent])
            else:
                self._drop_filter(netlink, wish.index, parent)

    @staticmethod
    def _link(netlink: Any, wish: HookRequest) -> Any:
        try:
            link = netlink.get_links(wish.index)[0]
        except (NetlinkError, IndexError) as error:
            raise AttachError(wish.interface, "no such interface") from error
        return link

    def _attach_xdp(self, netlink: Any, wish: HookRequest, link: Any) -> None:
        """Attach native XDP. Without driver support, mode auto uses tc and mode xdp is an error."""
        holder = _xdp_program(link)
        if holder and holder not in self._own_ids:
            if wish.mode == "auto":
                return
            raise AttachError(
                wish.interface, f"another XDP program (id {holder}) is attached; detach it, or use hook tc"
            )
        if holder and self._own_ids[holder] == _XDP[wish.role] and self._is_current(holder):
            return
        try:
            _set_xdp(netlink, wish.index, self._programs[_XDP[wish.role]])
        except NetlinkError as error:
            if wish.mode == "xdp":
                raise AttachError(
                    wish.interface, f"the driver does not support native XDP ({error.args[-1]}); set hook tc"
                ) from error

    def _is_current(self, program: int) -> bool:
        return program in self._current_ids

    @property
    def _current_ids(self) -> set[int]:
        from snatsh.datapath.bpf_syscall import program_id

        return {program_id(fd) for fd in self._programs.values()}

    def _drop_xdp(self, netlink: Any, link: Any) -> None:
        if _xdp_program(link) in self._own_ids:
            _set_xdp(netlink, link["index"], -1)

    def _put_filter(self, netlink: Any, index: int, parent: int, program: str) -> None:
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
            fd=self._programs[program],
            name=f"snatsh:{program}",
            parent=parent,
            prio=_PRIORITY,
            direct_action=True,
        )

    @staticmethod
    def _drop_filter(netlink: Any, index: int, parent: int) -> None:
        if any(_is_ours(entry) for entry in _filters(netlink, index, parent)):
            netlink.tc("del-filter", "bpf", index, 1, parent=parent, prio=_PRIORITY)

    def _detach(self, netlink: Any, link: Any) -> None:
        """Detach the programs of snatsh, and remove the clsact qdisc if nothing else uses it."""
        index = link["index"]
        if not (_xdp_program(link) in self._own_ids or self._tc_names(netlink, index)):
            return
        self._drop_xdp(netlink, link)
        for parent in (_INGRESS, _EGRESS):
            self._drop_filter(netlink, index, parent)
        if _has_clsact(netlink, index) and not any(
            _filters(netlink, index, parent) for parent in (_INGRESS, _EGRESS)
        ):
            netlink.tc("del", "clsact", index)

    def _tc_names(self, netlink: Any, index: int) -> dict[int, str]:
        found = {}
        for parent in (_INGRESS, _EGRESS):
            for entry in _filters(netlink, index, parent):
                if _is_ours(entry):
                    found[parent] = _filter_name(entry).removeprefix("snatsh:")
        return found

    def _hook_of(self, netlink: Any, link: Any) -> Hook | None:
        name, index = link.get_attr("IFLA_IFNAME"), link["index"]
        program = self._own_ids.get(_xdp_program(link), "")
        names = self._tc_names(netlink, index)
        for role in ("inside", "outside"):
            by_xdp = program == _XDP[role]
            if names == _TC[role] or (names == _PLAIN and role == "outside"):
                return Hook(name, index, role, "xdp" if by_xdp else "tc")
        return None


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


def _xdp_program(link: Any) -> int:
    """Id of the XDP program on a link, 0 for none."""
    xdp = link.get_attr("IFLA_XDP")
    return int(xdp.get_attr("IFLA_XDP_PROG_ID") or 0) if xdp else 0


def _set_xdp(netlink: Any, index: int, fd: int) -> None:
    """Attach (or with -1 detach) in the driver; never generic XDP."""
    attributes = [["IFLA_XDP_FD", fd], ["IFLA_XDP_FLAGS", _XDP_DRIVER_MODE]]
    netlink.link("set", index=index, xdp={"attrs": attributes})


def _has_clsact(netlink: Any, index: int) -> bool:
    return any(entry.get_attr("TCA_KIND") == "clsact" for entry in netlink.get_qdiscs(index=index))


def _filters(netlink: Any, index: int, parent: int) -> list[Any]:
    try:
        return [
            entry
            for entry in netlink.get_filters(index=index, parent=parent)
            if entry.get_attr("TCA_OPTIONS")
        ]
    except NetlinkError:
        return []  # no clsact


def _filter_name(entry: Any) -> str:
    options = entry.get_attr("TCA_OPTIONS")
    return str(options.get_attr("TCA_BPF_NAME") or "") if options and hasattr(options, "get_attr") else ""


def _is_ours(entry: Any) -> bool:
    return _filter_name(entry).startswith("snatsh:")
