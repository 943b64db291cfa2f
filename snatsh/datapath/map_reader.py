# SPDX-License-Identifier: Apache-2.0
"""What the datapath really holds: the rules and pools of a half of the config maps, read back as an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import numpy as np

from snatsh.compile.image import (
    MAX_POOLS,
    MAX_RANGES,
    Action,
    Algorithm,
    AnnouncedRange,
    Image,
    PoolImage,
    RuleImage,
)
from snatsh.compile.link_selection import LINK_BUCKETS
from snatsh.compile.match import MATCH_FIELDS, Match
from snatsh.datapath import layout, map_writer
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import PoolFlag, RuleFlag
from snatsh.model.values import Address, AddressRange, PortRange


def read(maps: Mapping[str, Map], slot: int, known: Image) -> Image:
    """`known` with the rules, pools and default action of a half.

    The names of pools and links are not in the maps; they come from what is known.
    """
    settings: Any = maps["settings"].get(np.array([slot], dtype=layout.INDEX))
    return replace(
        known,
        rules=_rules(maps, slot, known),
        pools=_pools(maps, slot, known),
        default_pass=bool(settings["default_pass"]),
    )


def answered(maps: Mapping[str, Map], slot: int) -> tuple[AnnouncedRange, ...]:
    """The addresses that a half answers ARP for."""
    keys, values = maps["pool_addresses"].dump()
    mine = (keys["slot"] == slot) & (values["announce_ifindex"] != 0)
    found = []
    for key, value in zip(keys[mine], values[mine], strict=True):
        first = int(key["address"])
        size = 1 << 64 - int(key["prefix_length"])
        run = AddressRange(Address(first), Address(first + size - 1))
        found.append(AnnouncedRange(run, int(value["announce_ifindex"])))
    return tuple(found)


def _rules(maps: Mapping[str, Map], slot: int, known: Image) -> tuple[RuleImage, ...]:
    keys, places = maps["rule_index"].dump()
    chosen = keys["slot"] == slot
    _, rules = maps["rules"].dump()
    _, mask_sets = maps["mask_sets"].dump()
    _, link_buckets = maps["link_buckets"].dump()
    shapes = mask_sets[map_writer.SLOT_BASE["mask_sets"] * slot :]
    buckets = link_buckets[map_writer.SLOT_BASE["link_buckets"] * slot :]
    known_rules = {rule.number: rule for rule in known.rules}
    found = []
    for key, place in zip(keys[chosen], places[chosen], strict=True):
        match = _match(key, shapes[int(key["mask_set"])])
        row, base = rules[int(place)], int(place)
        first = (int(row["link_buckets"]) - 1) * LINK_BUCKETS
        taken = (
            tuple(int(at) - base for at in buckets[first : first + LINK_BUCKETS])
            if row["link_buckets"]
            else ()
        )
        also = known_rules.get(int(row["number"]))
        more = max((*taken, len(also.others) if also and taken else 0), default=0)
        others = tuple(_rule(match, rules[base + number]) for number in range(1, more + 1))
        selection = also.selection if also else None
        found.append(replace(_rule(match, row), selection=selection, others=others, buckets=taken))
    return tuple(sorted(found, key=lambda rule: rule.number))


def _match(key: Any, shape: Any) -> Match:
    given = {
        field.name: field.value(int(key[field.key])) for field in MATCH_FIELDS if shape[f"{field.key}_mask"]
    }
    return Match(
        _prefix(key["source"], shape["source_mask"]),
        _prefix(key["destination"], shape["destination_mask"]),
        **given,
    )


def _rule(match: Match, row: Any) -> RuleImage:
    flags, redirect = int(row["flags"]), int(row["redirect"])
    return RuleImage(
        number=int(row["number"]),
        match=match,
        action=Action(int(row["action"])),
        algorithm=Algorithm(int(row["algorithm"])),
        pool=int(row["pool"]),
        redirect=Address(redirect) if redirect else None,
        endpoint_independent=bool(flags & RuleFlag.ENDPOINT_INDEPENDENT),
        filtering=next(
            name for name, flag in reversed(map_writer.FILTER_FLAGS.items()) if not flag or flags & flag
        ),
        link_by_flow=bool(flags & RuleFlag.LINK_BY_FLOW),
    )


def _prefix(address: Any, mask: Any) -> IPv4Network:
    return IPv4Network((int(address), int(mask).bit_count()))


def _pools(maps: Mapping[str, Map], slot: int, known: Image) -> tuple[PoolImage, ...]:
    """As many as are known; what lies behind them in the map is never read."""
    _, pools = maps["pools"].dump()
    _, ranges = maps["ranges"].dump()
    own = ranges[slot * MAX_RANGES :]
    names = {map_writer.pool_id(pool.name): pool for pool in known.pools}
    found = []
    for row in pools[slot * MAX_POOLS :][: len(known.pools)]:
        named = names.get(int(row["id"]))
        first, count = int(row["first_range"]), int(row["range_count"])
        ports = PortRange(int(row["port_first"]), int(row["port_first"]) + int(row["port_count"]) - 1)
        runs = _runs(own[first : first + count], int(row["size"]))
        name, flags = named.name if named else f"{int(row['id']):08x}", PoolFlag(int(row["flags"]))
        is_local, keeps_class = PoolFlag.LOCAL in flags, PoolFlag.PORT_CLASS in flags
        found.append(PoolImage(name, runs, ports, is_local, keeps_class))
    return tuple(found)


def _runs(rows: Any, size: int) -> tuple[AddressRange, ...]:
    """A run ends where the next one starts to count."""
    starts = [*(int(row["start"]) for row in rows), size]
    return tuple(
        AddressRange(Address(int(row["first"])), Address(int(row["first"]) + ends - int(row["start"]) - 1))
        for row, ends in zip(rows, starts[1:], strict=True)
    )
