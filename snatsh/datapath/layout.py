# SPDX-License-Identifier: Apache-2.0
"""The records shared with the kernel, as numpy types: the twins of the structs in bpf/.

Fields in network order are big-endian types. `assertions` gives C that fails to compile when a twin
differs; the loader appends it to the source, so a mismatch can't be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from snatsh.compile.match import MATCH_FIELDS
from snatsh.datapath.constants import STATIONS, TICK_SHIFT
from snatsh.model.vocabulary import FLOW_STATES

TICK_NANOSECONDS = 1 << TICK_SHIFT
TICKS_PER_SECOND = 1e9 / TICK_NANOSECONDS

STATE_NAMES = FLOW_STATES

NET32, NET16 = ">u4", ">u2"


def _record(*fields: tuple[Any, ...]) -> np.dtype[np.void]:
    return np.dtype(list(fields), align=True)


INDEX = np.dtype("u4")
ADDRESS = np.dtype(NET32)
CONTROL = _record(
    ("generation", "u4"), ("epoch", "u4"), ("watched", "u4"), ("traced", "u4"),
    ("secrets", "u8", 4), ("stations", "u8", STATIONS),
)  # fmt: skip
SETTINGS = _record(
    ("mask_set_count", "u4"), ("default_pass", "u4"), ("subscriber_sessions", "u4"), ("tcp_syn_only", "u4"),
    ("subscriber_new_flows", "u4"), ("subscriber_half_open", "u4"), ("refusals", "u4"),
    ("inbound_drop", "u4"), ("admits", "u4"), ("refresh_inbound", "u4"), ("port_hold", "u4"),
    ("notes_peers", "u4"),
    ("timeouts", "u4", 8),
)  # fmt: skip
TRACE_FILTER = _record(
    ("until", "u4"), ("source", NET32), ("source_mask", NET32), ("destination", NET32),
    ("destination_mask", NET32), ("protocol", "u4"), ("port", NET16), ("probe", NET16),
)  # fmt: skip
TRACE_EVENT = _record(
    ("source", NET32), ("destination", NET32), ("source_port", NET16), ("destination_port", NET16),
    ("address", NET32), ("port", NET16), ("length", "u2"), ("detail", "u4"), ("protocol", "u1"),
    ("kind", "u1"), ("ttl", "u1"), ("tcp_flags", "u1"),
)  # fmt: skip
INTERFACE_KEY = _record(("slot", "u4"), ("ifindex", "u4"))
INTERFACE = _record(("role", "u1"), ("flags", "u1"), ("mac", "u1", 6), ("address", NET32))
LOCAL_ADDRESS_KEY = _record(("slot", "u4"), ("address", NET32))
_MATCHED = tuple((field.key, NET32 if field.network_order else "u4") for field in MATCH_FIELDS)
MASK_SET = _record(
    ("source_mask", NET32), ("destination_mask", NET32),
    *((f"{key}_mask", word) for key, word in _MATCHED), ("rank", "u4"),
)  # fmt: skip
RULE_KEY = _record(
    ("slot", "u4"), ("mask_set", "u4"), ("source", NET32), ("destination", NET32), *_MATCHED
)  # fmt: skip
RULE = _record(
    ("number", "u4"), ("counter", "u4"), ("action", "u4"), ("algorithm", "u4"), ("pool", "u4"),
    ("redirect", NET32), ("flags", "u4"), ("link_buckets", "u4"),
)  # fmt: skip
POOL = _record(
    ("first_range", "u4"), ("range_count", "u4"), ("size", "u4"), ("port_first", "u4"), ("port_count", "u4"),
    ("id", "u4"), ("half_bits", "u4"), ("flags", "u4"), ("low_count", "u4"), ("low_half_bits", "u4"),
)  # fmt: skip
RANGE = _record(("first", "u4"), ("start", "u4"))
POOL_ADDRESS_KEY = _record(("prefix_length", "u4"), ("slot", NET32), ("address", NET32))
POOL_ADDRESS = _record(("pool", "u4"), ("flags", "u4"), ("announce_ifindex", "u4"))
FLOW_KEY = _record(
    ("source", NET32), ("destination", NET32), ("source_port", NET16), ("destination_port", NET16),
    ("protocol", "u1"), ("pad", "u1", 3),
)  # fmt: skip
OUTBOUND = _record(
    ("touched", "u4"), ("epoch", "u4"), ("expires", "u4"), ("state", "u1"), ("seen", "u1"), ("counter", "u2"),
    ("mapped", NET32), ("mapped_port", NET16), ("ip_delta", "u2"), ("l4_delta", "u2"), ("mtu", "u2"),
    ("out_ifindex", "u4"), ("ethernet", "u1", 12), ("redirect", NET32), ("packets", "u8"), ("bytes", "u8"),
)  # fmt: skip
INBOUND = _record(
    ("touched", "u4"), ("epoch", "u4"), ("inside", NET32), ("inside_port", NET16), ("ip_delta", "u2"),
    ("l4_delta", "u2"), ("mtu", "u2"), ("out_ifindex", "u4"), ("ethernet", "u1", 12), ("rule", "u4"),
    ("created", "u4"), ("counter", "u4"), ("packets", "u8"), ("bytes", "u8"),
)  # fmt: skip
RECORD = _record(
    ("outbound", OUTBOUND), ("key", FLOW_KEY), ("live", "u8"), ("reply", FLOW_KEY), ("inbound", INBOUND)
)
BUCKET_TAGS = 16
TAG_BUCKET = _record(("tags", "u4", BUCKET_TAGS))
RECORD_COUNTS = _record(("used", "u8"), ("allocated", "u8"))
ALLOCATOR_KEY = _record(
    ("mapped", NET32), ("remote", NET32), ("remote_port", NET16), ("protocol", "u1"), ("is_low", "u1")
)
ALLOCATOR = _record(
    ("seed", "u4"), ("cursor", "u4"), ("misses", "u4"), ("full_until", "u4"), ("free_port_count", "u4"),
    ("free_ports", NET16, 128),
)  # fmt: skip
ENDPOINT_KEY = _record(
    ("inside", NET32), ("pool", "u4"), ("inside_port", NET16), ("protocol", "u1"), ("pad", "u1")
)
EIM_MAPPING_KEY = _record(("mapped", NET32), ("mapped_port", NET16), ("protocol", "u1"), ("pad", "u1"))
EIM_MAPPING = _record(
    ("inside", NET32), ("pool", "u4"), ("inside_port", NET16), ("pad", "u2"), ("rule", "u4"),
    ("expires", "u4"), ("flows", "u8"), ("created", "u4"), ("mark", "u4"), ("ifindex", "u4"),
    ("reserved", "u4"),
)  # fmt: skip
EIM_PEER_KEY = _record(
    ("mapped", NET32), ("remote", NET32), ("mapped_port", NET16), ("protocol", "u1"), ("pad", "u1")
)
RELEASED_PORT = _record(("inside", NET32), ("inside_port", NET16), ("pad", "u2"), ("at", "u4"))
FRAGMENT_KEY = _record(
    ("source", NET32), ("destination", NET32), ("id", NET16), ("protocol", "u1"), ("pad", "u1")
)
FRAGMENT = _record(("address", NET32), ("redirect", NET32), ("expires", "u4"))
OWN_CONNECTION = _record(("seen", "u4"), ("port", NET16), ("pad", "u2"))
ADDRESS_USAGE = _record(
    ("tcp", "u4"), ("udp", "u4"), ("icmp", "u4"), ("reserved", "u4"), ("created", "u8"), ("exhausted", "u8")
)
SUBSCRIBER = _record(
    ("sessions", "i4"),
    ("half_open", "i4"),
    ("second", "u4"),
    ("opened", "u4"),
    ("refused", "u4"),
    ("evicted", "u4"),
)
REFUSAL_RATE = _record(("second", "u4"), ("sent", "u4"))
COUNT = _record(("packets", "u8"), ("bytes", "u8"))
RULE_COUNT = _record(("packets", "u8"), ("bytes", "u8"), ("flows", "u8"))
SWEEP_HEADER = _record(("count", "u4"), ("force", "u4"), ("next", "u4"), ("ended", "u4"))

TWINS = {
    "control": CONTROL, "trace_filter": TRACE_FILTER, "trace_event": TRACE_EVENT,
    "settings": SETTINGS, "interface_key": INTERFACE_KEY, "interface": INTERFACE,
    "local_address_key": LOCAL_ADDRESS_KEY,
    "mask_set": MASK_SET, "rule_key": RULE_KEY, "rule": RULE, "pool": POOL, "range": RANGE,
    "pool_address_key": POOL_ADDRESS_KEY, "pool_address": POOL_ADDRESS, "flow_key": FLOW_KEY,
    "outbound": OUTBOUND,
    "inbound": INBOUND, "record": RECORD, "tag_bucket": TAG_BUCKET, "record_counts": RECORD_COUNTS,
    "allocator_key": ALLOCATOR_KEY,
    "allocator": ALLOCATOR, "endpoint_key": ENDPOINT_KEY, "eim_mapping_key": EIM_MAPPING_KEY,
    "eim_mapping": EIM_MAPPING, "eim_peer_key": EIM_PEER_KEY, "released_port": RELEASED_PORT,
    "fragment_key": FRAGMENT_KEY,
    "fragment": FRAGMENT,
    "own_connection": OWN_CONNECTION,
    "address_usage": ADDRESS_USAGE, "subscriber": SUBSCRIBER,
    "refusal_rate": REFUSAL_RATE, "count": COUNT,
    "rule_count": RULE_COUNT, "sweep_header": SWEEP_HEADER,
}  # fmt: skip


def assertions() -> Iterator[str]:
    """C lines that hold every struct to its twin: size of the whole, offset and size of each field."""
    for name, twin in TWINS.items():
        yield f'_Static_assert(sizeof(struct {name}) == {twin.itemsize}, "size of {name}");'
        for field, (kind, offset, *_) in (twin.fields or {}).items():
            at = f"__builtin_offsetof(struct {name}, {field})"
            yield f'_Static_assert({at} == {offset}, "place of {name}.{field}");'
            size = f"sizeof(((struct {name} *)0)->{field})"
            yield f'_Static_assert({size} == {kind.itemsize}, "size of {name}.{field}");'
