# SPDX-License-Identifier: Apache-2.0
"""Policy rules (`ip rule`) that the route lookup of the datapath cannot judge."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from snatsh.model.box import Bypass
from snatsh.model.vocabulary import PROTOCOL_NUMBERS

_INVERTED = 0x2  # FIB_RULE_INVERT
_ALL_BITS = 0xFFFFFFFF
_TABLES = {253: "default", 254: "main", 255: "local"}
_ACTIONS = {2: "goto", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
_PROTOCOLS = {number: name for name, number in PROTOCOL_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """text: selectors as `ip rule` prints them. mark and mask: that a packet must have; 0 and 0 for any."""

    priority: int
    text: str
    interface: str
    mark: int
    mask: int
    inverted: bool

    def is_for(self, mark: int) -> bool:
        """Whether a packet with this mark may match, all else being equal."""
        return (mark & self.mask == self.mark & self.mask) != self.inverted

    def __str__(self) -> str:
        return f"ip rule {self.priority}: {self.text}"


def marked_rules() -> tuple[PolicyRule, ...]:
    """Read the rules that choose forwarded packets by their mark."""
    try:
        with IPRoute() as netlink:
            found = [_policy_rule(rule) for rule in netlink.get_rules(family=socket.AF_INET)]
    except (NetlinkError, OSError):
        return ()
    return tuple(rule for rule in found if rule.mask and rule.interface != "lo")


def bypassed(*, marks: bool) -> Iterator[Bypass]:
    """Yield the rules that the datapath may judge wrongly. marks: packets may have one when routed."""
    for rule in marked_rules() if marks else ():
        yield Bypass("policy rule", f"{rule}", rule.interface or "")


def _policy_rule(rule: Any) -> PolicyRule:
    mark = rule.get_attr("FRA_FWMARK") or 0
    mask = rule.get_attr("FRA_FWMASK") or 0
    return PolicyRule(
        priority=rule.get_attr("FRA_PRIORITY") or 0,
        text=" ".join(_words(rule, mark, mask)),
        interface=rule.get_attr("FRA_IIFNAME") or "",
        mark=mark,
        mask=mask,
        inverted=bool(rule["flags"] & _INVERTED),
    )


def _words(rule: Any, mark: int, mask: int) -> Iterator[str]:
    if rule["flags"] & _INVERTED:
        yield "not"
    source = rule.get_attr("FRA_SRC")
    yield f"from {source}/{rule['src_len']}" if source else "from all"
    if destination := rule.get_attr("FRA_DST"):
        yield f"to {destination}/{rule['dst_len']}"
    if rule["tos"]:
        yield f"tos {rule['tos']:#x}"
    if mask:
        yield f"fwmark {mark:#x}" + (f"/{mask:#x}" if mask != _ALL_BITS else "")
    for word, attribute in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME")):
        if name := rule.get_attr(attribute):
            yield f"{word} {name}"
    if protocol := rule.get_attr("FRA_IP_PROTO"):
        yield f"ipproto {_PROTOCOLS.get(protocol, protocol)}"
    for word, attribute in (("sport", "FRA_SPORT_RANGE"), ("dport", "FRA_DPORT_RANGE")):
        if ports := rule.get_attr(attribute):
            yield f"{word} {ports['start']}" + (f"-{ports['end']}" if ports["end"] != ports["start"] else "")
    yield _outcome(rule)


def _outcome(rule: Any) -> str:
    if rule["action"] in _ACTIONS:
        return _ACTIONS[rule["action"]]
    table = rule.get_attr("FRA_TABLE") or rule["table"]
    return f"lookup {_TABLES.get(table, table)}"
