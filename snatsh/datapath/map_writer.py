# SPDX-License-Identifier: Apache-2.0
"""Filling the idle half of the config maps from an image."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import MAX_MASK_SETS, MAX_POOLS, MAX_RANGES, MAX_RULES, Filtering, Image, RuleImage
from snatsh.compile.link_selection import LINK_BUCKETS, MAX_LINK_BUCKETS
from snatsh.compile.match import MATCH_FIELDS
from snatsh.datapath import layout
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import (
    STATIONS,
    InterfaceFlag,
    InterfaceRole,
    PoolAddressFlag,
    PoolFlag,
    RuleFlag,
)
from snatsh.datapath.errors import StageError
from snatsh.datapath.maps import MAX_COUNTERS

_MAC_BYTES = 6
_ROLES = {"inside": InterfaceRole.INSIDE, "outside": InterfaceRole.OUTSIDE}
FILTER_FLAGS = {
    Filtering.ADDRESS_AND_PORT_DEPENDENT: 0,
    Filtering.ADDRESS_DEPENDENT: RuleFlag.FILTER_ADDRESS_DEPENDENT,
    Filtering.ENDPOINT_INDEPENDENT: RuleFlag.FILTER_ENDPOINT_INDEPENDENT,
}
SLOT_BASE = {
    "mask_sets": MAX_MASK_SETS,
    "rules": MAX_RULES,
    "link_buckets": MAX_LINK_BUCKETS,
    "pools": MAX_POOLS,
    "ranges": MAX_RANGES,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A half that is filled and waits for the flip."""

    generation: int
    image: Image

    @property
    def slot(self) -> int:
        return self.generation & 1


def fill(maps: Mapping[str, Map], generation: int, image: Image, xdp: frozenset[int]) -> Stage:
    """Write `image` into the half of `generation`. xdp: interfaces frames may be redirected into."""
    slot = generation & 1
    try:
        clear(maps, slot)
        _put_settings(maps, slot, image)
        _put_interfaces(maps, slot, image, xdp)
        _put_own_addresses(maps, slot, image)
        _put_pools(maps, slot, image)
        _put_pool_addresses(maps, slot, image)
        _put_rules(maps, slot, image)
    except OSError as error:
        raise StageError(f"the kernel refused a part of the rule set: {error.strerror}") from error
    return Stage(generation, image)


def clear(maps: Mapping[str, Map], slot: int) -> None:
    """Empty a half; what the array maps hold beyond the counts in use is never read."""
    for name in ("interfaces", "local_addresses", "rule_index", "pool_addresses"):
        keys, _ = maps[name].dump()
        maps[name].remove_all(keys[keys["slot"] == slot])
    blank: NDArray[Any] = np.zeros(MAX_RULES, dtype=layout.RULE)
    maps["rules"].put_all(_indices("rules", slot, MAX_RULES), blank)


def _indices(name: str, slot: int, count: int) -> NDArray[Any]:
    base = slot * SLOT_BASE[name]
    return np.arange(base, base + count, dtype=layout.INDEX)


def _ticks(seconds: int) -> int:
    return math.ceil(seconds * layout.TICKS_PER_SECOND)


def _put_settings(maps: Mapping[str, Map], slot: int, image: Image) -> None:
    value: NDArray[Any] = np.zeros(1, dtype=layout.SETTINGS)
    times = image.timeouts
    value["mask_set_count"] = len(image.mask_sets)
    value["default_pass"] = image.default_pass
    value["tcp_syn_only"] = image.tcp_syn_only
    value["subscriber_sessions"] = image.limits.sessions
    value["subscriber_new_flows"] = image.limits.new_flows
    value["subscriber_half_open"] = image.limits.half_open
    value["refusals"] = image.limits.refusals
    value["inbound_drop"] = image.inbound_drop
    value["admits"] = any(rule.admits_from_outside for rule in image.rules)
    if any(rule.filtering is Filtering.ENDPOINT_INDEPENDENT for rule in image.rules):
        value["port_hold"] = _ticks(image.port_hold)
    value["notes_peers"] = any(rule.filtering is Filtering.ADDRESS_DEPENDENT for rule in image.rules)
    value["refresh_inbound"] = image.refresh_inbound
    value["timeouts"][0, :7] = [
        _ticks(seconds)
        for seconds in (
            times.tcp_syn,
            times.tcp_established,
            times.tcp_transitory,
            times.tcp_time_wait,
            times.udp_unreplied,
            times.udp_replied,
            times.icmp,
        )
    ]
    maps["settings"].put(np.array([slot], dtype=layout.INDEX), value)


def admit(maps: Mapping[str, Map], slot: int, image: Image, xdp: frozenset[int]) -> None:
    """Let packets pass between all interfaces that `image` knows of, in the half that runs."""
    _put_interfaces(maps, slot, image, xdp)
    for index in image.present:
        number = np.array([index], dtype=layout.INDEX)
        with suppress(OSError):  # gone meanwhile, or more than the map has room for: it stays shut
            maps["known_interfaces"].put(number, number)


def _put_interfaces(maps: Mapping[str, Map], slot: int, image: Image, xdp: frozenset[int]) -> None:
    keys: NDArray[Any] = np.zeros(len(image.interfaces), dtype=layout.INTERFACE_KEY)
    values: NDArray[Any] = np.zeros(len(image.interfaces), dtype=layout.INTERFACE)
    for at, interface in enumerate(image.interfaces):
        keys[at] = (slot, interface.index)
        values[at]["role"] = _ROLES[interface.role]
        values[at]["flags"] = (InterfaceFlag.XDP if interface.index in xdp else 0) | (
            InterfaceFlag.LATE if image.by_mark else 0
        )
        values[at]["address"] = int(interface.address) if interface.address else 0
        values[at]["mac"] = np.frombuffer(interface.mac.ljust(_MAC_BYTES, b"\0")[:_MAC_BYTES], dtype=np.uint8)
    maps["interfaces"].put_all(keys, values)


def stations(image: Image) -> NDArray[np.uint64]:
    """What control knows interfaces by: the link-layer address as in a frame, and above it half the index.

    Of two interfaces in one place the later counts.
    """
    words: NDArray[np.uint64] = np.zeros(STATIONS, dtype=np.uint64)
    for interface in image.interfaces:
        if len(interface.mac) == _MAC_BYTES:
            tag = (interface.index & 0xFFFF) << 8 * _MAC_BYTES
            words[interface.index % STATIONS] = tag | int.from_bytes(interface.mac, "little")
    return words


def _put_own_addresses(maps: Mapping[str, Map], slot: int, image: Image) -> None:
    keys = np.array([(slot, int(own.address)) for own in image.own], dtype=layout.LOCAL_ADDRESS_KEY)
    maps["local_addresses"].put_all(keys, np.array([own.reentry for own in image.own], dtype=layout.INDEX))


def _put_pools(maps: Mapping[str, Map], slot: int, image: Image) -> None:
    pools: NDArray[Any] = np.zeros(len(image.pools), dtype=layout.POOL)
    ranges: list[tuple[int, int]] = []
    for at, pool in enumerate(image.pools):
        ports, runs = pool.ports, pool.open_runs
        pools[at] = (
            len(ranges),
            len(runs),
            sum(run.size for run in runs),
            ports.first,
            ports.size,
            pool_id(pool.name),
            _half_bits(ports.size - pool.low_ports),
            (PoolFlag.LOCAL if pool.is_local else 0) | (PoolFlag.PORT_CLASS if pool.keeps_port_class else 0),
            pool.low_ports,
            _half_bits(pool.low_ports),
        )
        start = 0
        for run in runs:
            ranges.append((int(run.first), start))
            start += run.size
    maps["pools"].put_all(_indices("pools", slot, len(pools)), pools)
    maps["ranges"].put_all(_indices("ranges", slot, len(ranges)), np.array(ranges, dtype=layout.RANGE))


def pool_id(name: str) -> int:
    """What the datapath knows a pool by over commits; its index changes with the other pools."""
    return zlib.crc32(name.encode())


def _half_bits(ports: int) -> int:
    """Half the bits of the domain the allocator shuffles ports in (bpf/allocator.h)."""
    return max(1, ((ports - 1).bit_length() + 1) // 2)


def _put_pool_addresses(maps: Mapping[str, Map], slot: int, image: Image) -> None:
    keys: NDArray[Any] = np.zeros(len(image.pool_addresses), dtype=layout.POOL_ADDRESS_KEY)
    values: NDArray[Any] = np.zeros(len(image.pool_addresses), dtype=layout.POOL_ADDRESS)
    for at, entry in enumerate(image.pool_addresses):
        keys[at] = (32 + entry.prefix.prefixlen, slot, int(entry.prefix.network_address))
        values[at] = (pool_id(entry.pool), PoolAddressFlag.TO_STACK if entry.to_stack else 0, entry.announce)
    maps["pool_addresses"].put_all(keys, values)


def _put_rules(maps: Mapping[str, Map], slot: int, image: Image) -> None:
    mask_sets: NDArray[Any] = np.zeros(len(image.mask_sets), dtype=layout.MASK_SET)
    position = {}
    for at, shape in enumerate(image.mask_sets):
        mask_sets[at] = (
            _mask(shape.source_length),
            _mask(shape.destination_length),
            *(_mask(32 if field.name in shape.fields else 0) for field in MATCH_FIELDS),
            shape.rank,
        )
        position[shape.source_length, shape.destination_length, shape.fields] = at
    maps["mask_sets"].put_all(_indices("mask_sets", slot, len(mask_sets)), mask_sets)
    counters = _counters(maps, slot, image)
    index: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[int, ...]] = []
    buckets: list[int] = []
    for rule in image.rules:
        base = slot * MAX_RULES + len(rows)
        counter = counters[rule.number]
        run = len(buckets) // LINK_BUCKETS + 1 if rule.others else 0
        rows.append(_rule_row(rule, counter, link_buckets=run))
        rows += [_rule_row(other, counter) for other in rule.others]
        buckets += [base + number for number in rule.buckets]
        # rules come in the order of their numbers: of two alike the first counts
        index.setdefault(_rule_key(slot, position, rule), base)
    maps["rules"].put_all(_indices("rules", slot, len(rows)), np.array(rows, dtype=layout.RULE))
    maps["link_buckets"].put_all(
        _indices("link_buckets", slot, len(buckets)), np.array(buckets, dtype=layout.INDEX)
    )
    maps["rule_index"].put_all(
        np.array(list(index), dtype=layout.RULE_KEY), np.array(list(index.values()), dtype=layout.INDEX)
    )


def _rule_row(rule: RuleImage, counter: int, link_buckets: int = 0) -> tuple[int, ...]:
    redirect = int(rule.redirect) if rule.redirect else 0
    flags = (
        (RuleFlag.ENDPOINT_INDEPENDENT if rule.endpoint_independent else 0)
        | FILTER_FLAGS[rule.filtering]
        | (RuleFlag.LINK_BY_FLOW if rule.link_by_flow else 0)
    )
    return (rule.number, counter, rule.action, rule.algorithm, rule.pool, redirect, flags, link_buckets)


def _mask(length: int) -> int:
    return 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF


def _rule_key(slot: int, position: Mapping[tuple[Any, ...], int], rule: RuleImage) -> tuple[Any, ...]:
    match = rule.match
    shape = (match.source.prefixlen, match.destination.prefixlen, match.fields)
    return (
        slot,
        position[shape],
        int(match.source.network_address),
        int(match.destination.network_address),
        *(int(getattr(match, field.name) or 0) for field in MATCH_FIELDS),
    )


def running_rules(maps: Mapping[str, Map], slot: int) -> dict[int, int]:
    """Rule number to counter, of the rules in a half."""
    keys, values = maps["rules"].dump()
    mine = values[(keys >= slot * MAX_RULES) & (keys < (slot + 1) * MAX_RULES)]
    return {int(rule["number"]): int(rule["counter"]) for rule in mine[mine["number"] > 0]}


def _counters(maps: Mapping[str, Map], slot: int, image: Image) -> dict[int, int]:
    """A counter for each rule number: the one it has, or a fresh one.

    Fresh ones come from behind the highest in use, so that flows of a rule just removed go on counting
    unread for as long as possible.
    """
    held = running_rules(maps, 1 - slot)
    kept = {rule.number: held[rule.number] for rule in image.rules if rule.number in held}
    taken = set(held.values())
    following = max(taken, default=-1) + 1
    free = (
        at % MAX_COUNTERS
        for at in range(following, following + MAX_COUNTERS)
        if at % MAX_COUNTERS not in taken
    )
    fresh = {rule.number: next(free) for rule in image.rules if rule.number not in kept}
    blank: NDArray[Any] = np.zeros((len(fresh), maps["rule_counters"].cpus), dtype=layout.RULE_COUNT)
    maps["rule_counters"].put_all(np.array(list(fresh.values()), dtype=layout.INDEX), blank)
    return kept | fresh
