# SPDX-License-Identifier: Apache-2.0
"""The tables of iptables-legacy, as the kernel holds them (linux/netfilter_ipv4/ip_tables.h)."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from snatsh.engine.box.ruleset import TARGETS, Chain, ChainRule, Ruleset

MOST_BYTES = 8 << 20
"""Largest table to read: some 20,000 rules."""

_COMPARED_BYTES = 64 << 10

_NAMES = Path("/proc/thread-self/net/ip_tables_names")
_GET_INFO, _GET_ENTRIES = 64, 65
_INFO = struct.Struct("=32s I 5I 5I 2I")
_ENTRIES = struct.Struct("=32s I 4x")
_ENTRY = struct.Struct("=4s4s4s4s 16s16s 16s16s HBB I HH I 16x")
_TARGET = struct.Struct("=H29sB")
_VERDICT = struct.Struct("=i")
_ACCEPT, _DROP = -2, -1
_INVERTED_INTERFACE, _INVERTED_DESTINATION = 0x01, 0x10
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")


@dataclass(frozen=True, slots=True)
class _Entry:
    """target: empty for a verdict, which is negative, or the offset of a chain."""

    at: int
    interface: str
    by_destination: bool
    target: str
    verdict: int
    matches: bytes


def legacy_ruleset() -> Ruleset:
    """Read all tables there are. Never makes the kernel set one up. Needs CAP_NET_ADMIN."""
    try:
        names = _NAMES.read_text().split()
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            return sum((_table(raw, name) for name in names), Ruleset())
    except OSError:
        return Ruleset()


def fingerprint() -> tuple[object, ...]:
    """Return what changes with the tables: of large ones, their sizes and the offsets of their chains."""
    try:
        names = _NAMES.read_text().split()
        if not names:
            return ()
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            infos = {name: _ask(raw, _GET_INFO, _INFO.pack(name.encode(), *[0] * 13)) for name in names}
            if sum(_INFO.unpack(info)[-1] for info in infos.values()) > _COMPARED_BYTES:
                return tuple(infos.items())
            return tuple(_table(raw, name) for name in names)
    except OSError:
        return ()


def _table(raw: socket.socket, name: str) -> Ruleset:
    info = _INFO.unpack(_ask(raw, _GET_INFO, _INFO.pack(name.encode(), *[0] * 13)))
    valid, begins, ends, size = info[1], info[2:7], info[7:12], info[-1]
    if size > MOST_BYTES:
        return Ruleset(is_cut=True)
    blob = _ask(raw, _GET_ENTRIES, _ENTRIES.pack(name.encode(), size) + bytes(size))[_ENTRIES.size :]
    entries = {entry.at: entry for entry in _entries(blob)}
    chains: list[Chain] = []
    rules: list[ChainRule] = []
    for hook, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        if not valid >> hook & 1:
            continue
        count = sum(begin <= at < end for at in entries)
        policy = {_ACCEPT: "accept", _DROP: "drop"}.get(entries[end].verdict, "")
        kind = "nat" if name == "nat" else "filter"
        chains.append(Chain("legacy", name, _HOOKS[hook].upper(), kind, _HOOKS[hook], policy, count))
        rules += _rules(name, _HOOKS[hook].upper(), begin, end, entries)
    rules += _own_chains(name, entries)
    return Ruleset(tuple(chains), tuple(rules))


def _own_chains(table: str, entries: dict[int, _Entry]) -> Iterator[ChainRule]:
    """The rules of chains that a user made. Each begins with an entry that has its name, as does the end."""
    heads = [at for at, entry in sorted(entries.items()) if entry.target == "ERROR"]
    for at, end in pairwise(heads):
        yield from _rules(table, _chain_at(at, entries), at + 1, end, entries)


def _rules(table: str, chain: str, begin: int, end: int, entries: dict[int, _Entry]) -> Iterator[ChainRule]:
    inside = [entry for at, entry in sorted(entries.items()) if begin <= at < end]
    for number, entry in enumerate(inside, 1):
        jumps = [_chain_before(entry.verdict, entries)] if not entry.target and entry.verdict >= 0 else []
        actions = (TARGETS[entry.target],) if entry.target in TARGETS else ()
        yield ChainRule(
            "legacy", table, chain, f"rule {number}", actions, entry.interface, entry.by_destination,
            tuple(name for name in jumps if name),
        )  # fmt: skip


def _chain_at(at: int, entries: dict[int, _Entry]) -> str:
    return _text(entries[at].matches)


def _chain_before(first: int, entries: dict[int, _Entry]) -> str:
    """The name of the chain whose first rule is there: its head comes right before."""
    heads = [at for at, entry in entries.items() if at < first and entry.target == "ERROR"]
    return _chain_at(max(heads), entries) if heads else ""


def _entries(blob: bytes) -> Iterator[_Entry]:
    at = 0
    while at + _ENTRY.size <= len(blob):
        fields = _ENTRY.unpack_from(blob, at)
        interface, interface_mask, inverted = fields[4], fields[6], fields[10]
        target_at, next_at = fields[12], fields[13]
        if next_at < _ENTRY.size:
            return
        target = _TARGET.unpack_from(blob, at + target_at)
        name = _text(target[1])
        body = blob[at + target_at + _TARGET.size : at + next_at]
        yield _Entry(
            at=at,
            interface="" if inverted & _INVERTED_INTERFACE else _interface(interface, interface_mask),
            by_destination=any(fields[3]) or b"addrtype\0" in blob[at + _ENTRY.size : at + target_at],
            target=name,
            verdict=_VERDICT.unpack_from(body)[0] if not name else 0,
            matches=body,
        )
        at += next_at


def _interface(name: bytes, mask: bytes) -> str:
    text = _text(name)
    compared = mask.count(b"\xff")
    return f"{text[:compared]}*" if 0 < compared <= len(text) else text


def _ask(raw: socket.socket, option: int, question: bytes) -> bytes:
    answer = ctypes.create_string_buffer(question, len(question))
    size = ctypes.c_uint32(len(question))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getsockopt(raw.fileno(), socket.IPPROTO_IP, option, answer, ctypes.byref(size)):
        raise OSError(ctypes.get_errno(), "cannot read the tables of iptables-legacy")
    return answer.raw


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode(errors="replace")
