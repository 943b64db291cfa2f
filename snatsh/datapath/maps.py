# SPDX-License-Identifier: Apache-2.0
"""The maps that user space shares with the programs: their kinds, types and sizes.

bpf/ declares the same maps without a size. `assertions` gives C that does not compile when a type differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from snatsh.compile.image import MAX_INTERFACES, MAX_MASK_SETS, MAX_OWN, MAX_POOLS, MAX_RANGES, MAX_RULES
from snatsh.compile.link_selection import MAX_LINK_BUCKETS
from snatsh.datapath import layout, programs
from snatsh.datapath.layout import ADDRESS, INDEX
from snatsh.datapath.reasons import DROP_REASONS, PASS_REASONS

Kind = Literal["array", "percpu_array", "hash", "lru_hash", "lpm_trie", "queue", "prog", "devmap_hash"]
MAP_TYPES: dict[Kind, int] = {
    "hash": 1, "array": 2, "prog": 3, "percpu_array": 6, "lru_hash": 9, "lpm_trie": 11, "queue": 22,
    "devmap_hash": 25,
}  # fmt: skip
NO_PREALLOC, MMAPABLE = 1, 1 << 10
RDONLY_PROG = 1 << 7  # set by the kernel on device maps

MAX_COUNTERS = 2 * MAX_RULES
MAX_ADDRESSES = 131_072  # pool addresses with usage counters
MAX_REFUSED = 65_536  # inside addresses whose ICMP errors are counted
MAX_FRAGMENTED = 8_192  # fragmented packets in flight
MAX_STACK_CONNECTIONS = 65_536
MAX_EXEMPT_CONNECTIONS = 131_072
MAX_OWN_CONNECTIONS = 65_536
MAX_RELEASED_PORTS = 65_536
MAX_RESETS = 65_536  # TCP flows that ended with their link
MAX_TRACE_EVENTS = 4_096
MAX_KNOWN_INTERFACES = 16_384
MAX_ALLOCATORS = 65_536  # destinations that flows compete for ports towards


@dataclass(frozen=True, slots=True)
class TableSize:
    """Room for flows, and what follows from it."""

    flows: int

    @property
    def number_bits(self) -> int:
        """Bits that number the records."""
        return (self.flows - 1).bit_length()

    @property
    def buckets(self) -> int:
        """Tag buckets of one half of the index, twice as many tags as flows (bpf/table.h)."""
        return max((2 << self.number_bits) // layout.BUCKET_TAGS, 1)

    @property
    def defines(self) -> dict[str, int]:
        """Constants the programs are compiled with."""
        return {"MAX_FLOWS": self.flows, "NUMBER_BITS": self.number_bits, "BUCKETS": self.buckets}


@dataclass(frozen=True, slots=True)
class MapDefinition:
    """A map. entries: a number, or what the map has as many entries as."""

    kind: Kind
    key: np.dtype[Any]
    value: np.dtype[Any]
    entries: int | Literal["flows", "tag_buckets"]
    flags: int = 0

    @property
    def per_cpu(self) -> bool:
        return self.kind == "percpu_array"

    def max_entries(self, size: TableSize) -> int:
        if self.entries == "flows":
            return size.flows
        return 2 * size.buckets if self.entries == "tag_buckets" else self.entries


_MEANING = 1
"""To be raised when what the maps hold means something else under the same names and types."""

NOTHING = np.dtype("V0")

MAPS: dict[str, MapDefinition] = {
    "control": MapDefinition("array", INDEX, layout.CONTROL, 1),
    "settings": MapDefinition("array", INDEX, layout.SETTINGS, 2),
    "interfaces": MapDefinition("hash", layout.INTERFACE_KEY, layout.INTERFACE, 2 * MAX_INTERFACES),
    "known_interfaces": MapDefinition("devmap_hash", INDEX, INDEX, MAX_KNOWN_INTERFACES),
    "local_addresses": MapDefinition("hash", layout.LOCAL_ADDRESS_KEY, INDEX, 2 * MAX_OWN),
    "mask_sets": MapDefinition("array", INDEX, layout.MASK_SET, 2 * MAX_MASK_SETS),
    "rule_index": MapDefinition("hash", layout.RULE_KEY, INDEX, 2 * MAX_RULES),
    "rules": MapDefinition("array", INDEX, layout.RULE, 2 * MAX_RULES),
    "link_buckets": MapDefinition("array", INDEX, INDEX, 2 * MAX_LINK_BUCKETS),
    "pools": MapDefinition("array", INDEX, layout.POOL, 2 * MAX_POOLS),
    "ranges": MapDefinition("array", INDEX, layout.RANGE, 2 * MAX_RANGES),
    "pool_addresses": MapDefinition(
        "lpm_trie", layout.POOL_ADDRESS_KEY, layout.POOL_ADDRESS, 4 * MAX_RANGES, NO_PREALLOC
    ),
    "round_robin_positions": MapDefinition("array", INDEX, INDEX, MAX_POOLS),
    "drops": MapDefinition("percpu_array", INDEX, layout.COUNT, len(DROP_REASONS)),
    "passed_to_stack": MapDefinition("percpu_array", INDEX, layout.COUNT, len(PASS_REASONS)),
    "rule_counters": MapDefinition("percpu_array", INDEX, layout.RULE_COUNT, MAX_COUNTERS),
    "trace_filters": MapDefinition("array", INDEX, layout.TRACE_FILTER, 1),
    "trace_events": MapDefinition("hash", np.dtype("u8"), layout.TRACE_EVENT, MAX_TRACE_EVENTS),
    "tag_buckets": MapDefinition("array", INDEX, layout.TAG_BUCKET, "tag_buckets"),
    "records": MapDefinition("array", INDEX, layout.RECORD, "flows", MMAPABLE),
    "record_counts": MapDefinition("array", INDEX, layout.RECORD_COUNTS, 1),
    "free_records": MapDefinition("queue", NOTHING, INDEX, "flows"),
    "allocators": MapDefinition("lru_hash", layout.ALLOCATOR_KEY, layout.ALLOCATOR, MAX_ALLOCATORS),
    "endpoints": MapDefinition("hash", layout.ENDPOINT_KEY, layout.EIM_MAPPING_KEY, "flows", NO_PREALLOC),
    "eim_mappings": MapDefinition("hash", layout.EIM_MAPPING_KEY, layout.EIM_MAPPING, "flows", NO_PREALLOC),
    "eim_peers": MapDefinition("hash", layout.EIM_PEER_KEY, np.dtype("u8"), "flows", NO_PREALLOC),
    "released_ports": MapDefinition(
        "lru_hash", layout.EIM_MAPPING_KEY, layout.RELEASED_PORT, MAX_RELEASED_PORTS
    ),
    "stack_connections": MapDefinition("lru_hash", layout.FLOW_KEY, INDEX, MAX_STACK_CONNECTIONS),
    "exempt_connections": MapDefinition("lru_hash", layout.FLOW_KEY, INDEX, MAX_EXEMPT_CONNECTIONS),
    "own_connections": MapDefinition("lru_hash", layout.FLOW_KEY, layout.OWN_CONNECTION, MAX_OWN_CONNECTIONS),
    "terminated_flows": MapDefinition("lru_hash", layout.FLOW_KEY, INDEX, MAX_RESETS),
    "fragments": MapDefinition("lru_hash", layout.FRAGMENT_KEY, layout.FRAGMENT, MAX_FRAGMENTED),
    "address_usage": MapDefinition("hash", ADDRESS, layout.ADDRESS_USAGE, MAX_ADDRESSES),
    "subscribers": MapDefinition("hash", ADDRESS, layout.SUBSCRIBER, "flows", NO_PREALLOC),
    "refusal_rates": MapDefinition("lru_hash", ADDRESS, layout.REFUSAL_RATE, MAX_REFUSED),
    "xdp_programs": MapDefinition("prog", INDEX, INDEX, len(programs.XDP_TAIL_CALLS)),
    "tc_programs": MapDefinition("prog", INDEX, INDEX, len(programs.TC_TAIL_CALLS)),
}


def assertions() -> Iterator[str]:
    """C lines that hold the key and value of every map to its definition."""
    for name, definition in MAPS.items():
        parts = {"key": definition.key, "leaf": definition.value}
        for part, kind in parts.items():
            if kind.itemsize:
                size = f"sizeof({name}.{part})"
                yield f'_Static_assert({size} == {kind.itemsize}, "{part} of map {name}");'


def _layout_version() -> str:
    """Hash the names, types and sizes of the maps. What follows from `limits flows` has no part in it."""
    described = "\n".join(
        f"{name} {definition.kind} {definition.entries} {definition.flags}"
        f" {_described(definition.key)} {_described(definition.value)}"
        for name, definition in sorted(MAPS.items())
    )
    return hashlib.sha256(f"{_MEANING}\n{described}".encode()).hexdigest()[:8]


def _described(kind: np.dtype[Any]) -> str:
    """Names, places and types of the fields, in words that no numpy changes."""
    if kind.fields is not None:
        parts = (f"{name}@{at}:{_described(part)}" for name, (part, at, *_) in kind.fields.items())
        return f"{{{','.join(parts)}}}{kind.itemsize}"
    if kind.subdtype is not None:
        part, shape = kind.subdtype
        return f"{_described(part)}*{shape[0]}"
    return kind.str


LAYOUT_VERSION = _layout_version()
"""Pins of another layout are not taken up."""

MARK = "snatsh_"
_KERNEL_NAME = 15  # characters the kernel keeps


def kernel_name(name: str) -> str:
    """What a map is called in the kernel. `control` bears the layout, by which our programs are known."""
    return f"{MARK}{LAYOUT_VERSION}" if name == "control" else name[:_KERNEL_NAME]
