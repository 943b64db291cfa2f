# SPDX-License-Identifier: Apache-2.0
"""Every number that C and Python share: enumerations, flags, bounds, indices, salts.

`assertions` gives C that does not compile when bpf/ has another value for one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from enum import IntEnum, IntFlag

from snatsh.compile.address_hash import LINK_SALT
from snatsh.compile.image import MAX_MASK_SETS, MAX_POOLS, MAX_RANGES, MAX_RULES, Action, Algorithm, Seconds
from snatsh.compile.link_selection import LINK_BUCKETS, MAX_LINK_BUCKETS
from snatsh.datapath.programs import tail_call_indices
from snatsh.datapath.reasons import DROP_REASONS, PASS_REASONS
from snatsh.model.vocabulary import FIRST_HIGH_PORT, FLOW_STATES, PROTOCOL_NUMBERS

TICK_SHIFT = 24  # a tick is 2^24 ns
TICKS_OF_SECOND = 60  # rounded: the second that limits count in
SWEEP_KEYS, FIND_KEYS, MIGRATE_RECORDS = 100, 16, 8  # in one run of a program of bpf/sweep.c

STATIONS = 16  # places for interfaces in control (bpf/station.h)
SEEN_REPLY = 1  # in outbound.seen
EIM_ENDED = 1 << 62  # in eim_mapping.flows


class InterfaceRole(IntEnum):
    INSIDE = 1
    OUTSIDE = 2


class InterfaceFlag(IntFlag):
    """XDP: frames may be redirected into it from XDP. LATE: flows open at the egress alone."""

    XDP = 1
    LATE = 2


class PoolFlag(IntFlag):
    """LOCAL: the pool holds an address of this machine. PORT_CLASS: low ports serve low source ports."""

    LOCAL = 1
    PORT_CLASS = 2


class PoolAddressFlag(IntFlag):
    """TO_STACK: packets to the address that belong to no flow are passed to the stack."""

    TO_STACK = 1


class RuleFlag(IntFlag):
    ENDPOINT_INDEPENDENT = 1
    FILTER_ENDPOINT_INDEPENDENT = 2
    LINK_BY_FLOW = 4
    FILTER_ADDRESS_DEPENDENT = 8


class TraceEventKind(IntEnum):
    DROPPED = 0
    PASSED = 1
    OPENED = 2
    TRANSLATED = 3


def shared() -> dict[str, int]:
    """Return the constants by their names in C."""
    return {
        "TICK_SHIFT": TICK_SHIFT,
        "TICKS_PER_SECOND": TICKS_OF_SECOND,
        "STATIONS": STATIONS,
        "MAX_MASK_SETS": MAX_MASK_SETS,
        "MAX_RULES": MAX_RULES,
        "MAX_LINK_BUCKETS": MAX_LINK_BUCKETS,
        "LINK_BUCKETS": LINK_BUCKETS,
        "LINK_SALT": LINK_SALT,
        "MAX_POOLS": MAX_POOLS,
        "MAX_RANGES": MAX_RANGES,
        "SWEEP_KEYS": SWEEP_KEYS,
        "FIND_KEYS": FIND_KEYS,
        "MIGRATE_RECORDS": MIGRATE_RECORDS,
        "SEEN_REPLY": SEEN_REPLY,
        "EIM_ENDED": EIM_ENDED,
        "FIRST_HIGH_PORT": FIRST_HIGH_PORT,
        **_members("ROLE", InterfaceRole),
        **_members("ACTION", Action),
        **_members("ALGORITHM", Algorithm),
        **_members("INTERFACE", InterfaceFlag),
        **_members("POOL", PoolFlag),
        **_members("POOL_ADDRESS", PoolAddressFlag),
        **_members("RULE", RuleFlag),
        **_members("TRACE", TraceEventKind),
        **_numbered("STATE", FLOW_STATES),
        **_numbered("TIMEOUT", (field.name for field in fields(Seconds))),
        **_numbered("DROP", (*DROP_REASONS, "count")),
        **_numbered("PASS", (*_pass_reasons(), "count")),
        **_named("IPPROTO", PROTOCOL_NUMBERS),
        **tail_call_indices(),
    }


def assertions() -> Iterator[str]:
    """C lines that hold every constant to its value here."""
    for name, value in shared().items():
        yield f'_Static_assert({name} == {value}, "value of {name}");'


def _pass_reasons() -> list[str]:
    """Names of the reasons in C, in order. The API keeps an older name for one of them."""
    return ["stack-connection" if name == "foreign" else name for name in PASS_REASONS]


def _members(prefix: str, kind: type[IntEnum] | type[IntFlag]) -> dict[str, int]:
    return _named(prefix, {name: int(member) for name, member in kind.__members__.items()})


def _numbered(prefix: str, names: Iterable[str]) -> dict[str, int]:
    return _named(prefix, {name: number for number, name in enumerate(names)})


def _named(prefix: str, numbers: Mapping[str, int]) -> dict[str, int]:
    return {f"{prefix}_{name.upper().replace('-', '_')}": number for name, number in numbers.items()}
