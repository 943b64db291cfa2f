# SPDX-License-Identifier: Apache-2.0
"""The nf_tables ruleset over netlink: the base chains, and of each rule what it does with packets.

Read attribute by attribute: a netlink library decodes every expression, which takes seconds with many rules.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

from snatsh.datapath.netlink import HEADER, attributes_in, dump, messages_in
from snatsh.engine.box.ruleset import ANY_CHAIN, TARGETS, Action, Chain, ChainRule, Flowtable, Ruleset

MOST_RULES = 20_000
"""Most rules to read, which takes about a second."""

_NETFILTER, _SUBSYSTEM = 12, 10 << 8
_GET_CHAIN, _GET_RULE, _GET_GENERATION, _GET_FLOWTABLE = 4, 7, 16, 23
_REQUEST, _ERROR = 0x1, 2
_NFGEN = struct.Struct("=BBH")
_SECONDS = 2.0

_FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge"}
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
_DEVICE_HOOKS = ("ingress", "egress")
_POLICIES = {0: "drop", 1: "accept"}
_STATEMENTS: dict[bytes, Action] = {b"masq": "masquerade", b"redir": "redirect", b"tproxy": "tproxy"}
_TARGETS = {name.encode(): action for name, action in TARGETS.items()}
_META_MARK, _META_IIF, _META_IIFNAME = 3, 4, 6
_NETWORK_HEADER, _DESTINATION_AT = 1, 16
_VERDICT_REGISTER = 0

Attributes = dict[int, bytes]


class Nftables:
    """A socket to nf_tables in the network namespace of the calling thread. Needs CAP_NET_ADMIN. OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
        self._socket.settimeout(_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def generation(self) -> int:
        """Return a number that every change of the ruleset raises."""
        body = _NFGEN.pack(0, 0, 0)
        kind = _SUBSYSTEM | _GET_GENERATION
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, _REQUEST, 0, 0) + body)
        kind, answer = next(messages_in(self._socket.recv(1 << 16)))
        if kind == _ERROR:
            raise OSError(-struct.unpack_from("=i", answer)[0], "nf_tables refuses")
        return _number(dict(attributes_in(answer[_NFGEN.size :]))[1])

    def ruleset(self) -> Ruleset:
        """Read chains, flowtables, and the rules where there is a base chain."""
        chains = tuple(_base_chains(self._answers(_GET_CHAIN)))
        flowtables: tuple[Flowtable, ...] = ()
        with suppress(OSError):  # a kernel without them
            flowtables = tuple(flowtable_of(*found) for found in self._answers(_GET_FLOWTABLE))
        tables = {(chain.family, chain.table) for chain in chains}
        rules: list[ChainRule] = []
        # Last: what is left of a dump that is cut off must not be taken for an answer.
        for family, attributes in self._answers(_GET_RULE) if tables else ():
            if (family, _text(attributes[1])) in tables:
                rules.append(_rule(family, attributes))
            if len(rules) == MOST_RULES:
                break
        return Ruleset(chains, tuple(rules), flowtables, len(rules) == MOST_RULES)

    def _answers(self, command: int) -> Iterator[tuple[str, Attributes]]:
        """Yield family and attributes of each object. Those of other families are left out."""
        for _, answer in dump(self._socket, _SUBSYSTEM | command, _NFGEN.pack(0, 0, 0)):
            if family := _FAMILIES.get(answer[0], ""):
                yield family, dict(attributes_in(answer[_NFGEN.size :]))


def _base_chains(found: Iterator[tuple[str, Attributes]]) -> Iterator[Chain]:
    for family, attributes in found:
        hook = dict(attributes_in(attributes.get(4, b"")))
        if not hook:
            continue
        number = _number(hook[1])
        names = _DEVICE_HOOKS if family == "netdev" else _HOOKS
        yield Chain(
            family=family,
            table=_text(attributes[1]),
            name=_text(attributes[3]),
            kind=_text(attributes.get(7, b"filter")),
            hook=names[number] if number < len(names) else f"{number}",
            policy=_POLICIES.get(_number(attributes.get(5, b"\0\0\0\1")), ""),
            rules=_number(attributes.get(6, b"\0\0\0\0")),  # nothing jumps to a base chain
            devices=_devices(hook),
        )


def _devices(hook: Attributes) -> tuple[str, ...]:
    if many := hook.get(4):
        return tuple(_text(name) for _, name in attributes_in(many))
    return (_text(hook[3]),) if 3 in hook else ()


def flowtable_of(family: str, attributes: Attributes) -> Flowtable:
    """Return the flowtable of a message."""
    hook = dict(attributes_in(attributes.get(3, b"")))
    devices = tuple(_text(name) for _, name in attributes_in(hook.get(3, b"")))
    flags = _number(attributes.get(7, b"\0\0\0\0"))
    return Flowtable(family, _text(attributes[1]), _text(attributes[2]), devices, bool(flags & 1))


def _rule(family: str, attributes: Attributes) -> ChainRule:
    actions: list[Action] = []
    interface, by_destination, meta_key = "", False, -1
    jumps: list[str] = []
    for _, element in attributes_in(attributes.get(4, b"")):
        expression = dict(attributes_in(element))
        name, data = expression[1].rstrip(b"\0"), dict(attributes_in(expression.get(2, b"")))
        if name == b"meta" and 1 in data:
            meta_key = _number(data[2])
            continue
        if name == b"cmp" and meta_key in (_META_IIF, _META_IIFNAME) and not _number(data[2]):
            interface = _interface(meta_key, dict(attributes_in(data[3]))[1])
        actions += _actions(name, data)
        by_destination = by_destination or _is_by_destination(name, data)
        jumps += _jumps(name, data)
        meta_key = -1
    return ChainRule(
        family, _text(attributes[1]), _text(attributes[2]),
        f"handle {int.from_bytes(attributes[3], 'big')}", tuple(actions), interface, by_destination,
        tuple(jumps),
    )  # fmt: skip


def _actions(name: bytes, data: Attributes) -> Iterator[Action]:
    if name in _STATEMENTS:
        yield _STATEMENTS[name]
    elif name == b"nat":
        yield "dnat" if _number(data[1]) else "snat"
    elif name == b"target" and data[1].rstrip(b"\0") in _TARGETS:
        yield _TARGETS[data[1].rstrip(b"\0")]
    elif name == b"meta" and _number(data[2]) == _META_MARK:
        yield "mark"


def _is_by_destination(name: bytes, data: Attributes) -> bool:
    if name == b"payload" and 1 in data:
        begin, length = _number(data[3]), _number(data[4])
        return _number(data[2]) == _NETWORK_HEADER and begin <= _DESTINATION_AT < begin + length
    return name == b"fib" or (name == b"match" and data[1].rstrip(b"\0") == b"addrtype")


def _jumps(name: bytes, data: Attributes) -> list[str]:
    if name == b"lookup" and 3 in data and _number(data[3]) == _VERDICT_REGISTER:
        return [ANY_CHAIN]
    if name != b"immediate":
        return []
    verdict = dict(attributes_in(dict(attributes_in(data.get(2, b""))).get(2, b"")))
    return [_text(verdict[2])] if 2 in verdict else []


def _interface(key: int, value: bytes) -> str:
    if key == _META_IIFNAME:
        name = value.rstrip(b"\0").decode(errors="replace")
        return name if value.endswith(b"\0") else f"{name}*"
    try:
        return socket.if_indextoname(int.from_bytes(value, "little"))
    except OSError:
        return ""


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
