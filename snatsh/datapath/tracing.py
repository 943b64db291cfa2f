# SPDX-License-Identifier: Apache-2.0
"""The packet trace (bpf/trace.h): set the filter, fetch the events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath import flows, layout
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import TraceEventKind
from snatsh.datapath.reasons import DROP_REASONS, PASS_REASONS
from snatsh.model.values import Address, Prefix

_KEY: NDArray[Any] = np.zeros(1, dtype=layout.INDEX)


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """Packets of both directions. source: inside, or the pool address it is known by. port: either end's.

    probe: identifier of an echo that the gateway sent from `source`; its reply is not counted as a drop.
    """

    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: int = 0
    port: int = 0
    probe: int = 0


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """A packet as it came in. nanoseconds: of CLOCK_MONOTONIC.

    reason: why it was dropped or passed to the stack. address, port: what its source or destination became.
    """

    nanoseconds: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    protocol: int
    length: int
    ttl: int
    kind: TraceEventKind
    reason: str
    rule: int
    address: Address | None
    port: int


def ask(maps: Mapping[str, Map], wanted: TraceFilter, seconds: float) -> int:
    """Trace what fits for so long; what was asked before is over, its events are gone. The last tick."""
    fetch(maps)
    value: NDArray[Any] = np.zeros(1, dtype=layout.TRACE_FILTER)
    until = flows.now_ticks() + max(1, round(seconds * layout.TICKS_PER_SECOND)) & 0xFFFFFFFF or 1
    value["until"] = until
    for name in ("source", "destination"):
        prefix: Prefix | None = getattr(wanted, name)
        if prefix is not None:
            value[name], value[f"{name}_mask"] = int(prefix.network_address), int(prefix.netmask)
    value["protocol"], value["port"], value["probe"] = wanted.protocol, wanted.port, wanted.probe
    maps["trace_filters"].put(_KEY, value)
    return until


def stop(maps: Mapping[str, Map]) -> None:
    maps["trace_filters"].put(_KEY, np.zeros(1, dtype=layout.TRACE_FILTER))


def fetch(maps: Mapping[str, Map]) -> list[TraceEvent]:
    """What was seen since the last time, oldest first."""
    keys, values = maps["trace_events"].dump()
    maps["trace_events"].remove_all(keys)
    order = np.argsort(keys)
    return [_event(int(keys[at]), values[at]) for at in order]


def _event(nanoseconds: int, row: Any) -> TraceEvent:
    kind, detail, address = TraceEventKind(int(row["kind"])), int(row["detail"]), int(row["address"])
    names = {
        TraceEventKind.DROPPED: tuple(DROP_REASONS),
        TraceEventKind.PASSED: tuple(PASS_REASONS),
    }.get(kind, ())
    return TraceEvent(
        nanoseconds=nanoseconds,
        source=Address(int(row["source"])),
        destination=Address(int(row["destination"])),
        source_port=int(row["source_port"]),
        destination_port=int(row["destination_port"]),
        protocol=int(row["protocol"]),
        length=int(row["length"]),
        ttl=int(row["ttl"]),
        kind=kind,
        reason=names[detail] if detail < len(names) else "",
        rule=detail if kind == TraceEventKind.OPENED else 0,
        address=Address(address) if address else None,
        port=int(row["port"]),
    )
