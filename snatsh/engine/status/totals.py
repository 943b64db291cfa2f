# SPDX-License-Identifier: Apache-2.0
"""Rates from two readings of the counters, which all consoles share."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from snatsh.api.overview import ProcessorLoad, ReasonRate, Speed, Traffic
from snatsh.model.vocabulary import PROTOCOLS

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Count, Datapath, RuleCounter

SHARED_SECONDS = 0.9
STALE_SECONDS = 30.0
"""A previous reading older than this is not used for rates."""

_NETWORK = Path("/proc/self/net/dev")
_PROCESSORS = Path("/proc/stat")
_SOFTIRQ = 6  # field of a cpu line of /proc/stat


@dataclass(frozen=True, slots=True)
class CounterReading:
    """at: monotonic time. wires: by interface packets and bytes received, then sent.

    processors: by CPU ticks in softirq, where packets are processed, and all ticks.
    """

    at: float
    rules: Mapping[int, RuleCounter]
    drops: Mapping[str, Count]
    handed_up: Mapping[str, Count]
    usage: NDArray[Any]
    wires: Mapping[str, tuple[int, int, int, int]]
    processors: tuple[tuple[int, int], ...]

    @property
    def flows(self) -> int:
        """Flows in the table, by the gauges of the pools, without reading the table."""
        return int(sum(int(self.usage[name].sum()) for name in PROTOCOLS))


class Totals:
    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._lock = Lock()
        self._before: CounterReading | None = None
        self._now: CounterReading | None = None

    def look(self) -> tuple[CounterReading, CounterReading | None]:
        """Return a current reading and the previous one, None if that is too old. Blocks."""
        with self._lock:
            if self._now is None or time.monotonic() - self._now.at >= SHARED_SECONDS:
                self._before, self._now = self._now, self._read()
                if self._before is not None and self._now.at - self._before.at > STALE_SECONDS:
                    self._before = None
            return self._now, self._before

    def _read(self) -> CounterReading:
        datapath = self._datapath
        return CounterReading(
            time.monotonic(), datapath.rule_counters(), datapath.drops(), datapath.passed_to_stack(),
            datapath.address_usage(), _wires(_NETWORK.read_text()), _ticks(_PROCESSORS.read_text()),
        )  # fmt: skip


def traffic(now: CounterReading, before: CounterReading | None, outside: list[str]) -> Traffic:
    """Return packets and bits per second: through the outside interfaces each way, and translated."""
    if before is None:
        unknown = Speed(None, None)
        return Traffic(inbound=unknown, outbound=unknown, translated=unknown, opened=None)
    seconds = now.at - before.at
    sums = [0, 0, 0, 0]
    for name in outside:
        if name in now.wires and name in before.wires:
            for at, (new, old) in enumerate(zip(now.wires[name], before.wires[name], strict=True)):
                sums[at] += max(0, new - old)
    grown = [rule_growth(now, before, number) for number in now.rules]
    packets, octets = sum(rule.packets for rule in grown), sum(rule.bytes for rule in grown)
    return Traffic(
        inbound=_speed(sums[0], sums[1], seconds),
        outbound=_speed(sums[2], sums[3], seconds),
        translated=_speed(packets, octets, seconds),
        opened=round(sum(rule.flows for rule in grown) / seconds, 1),
    )


@dataclass(frozen=True, slots=True)
class RuleGrowth:
    """Growth of a rule's counters between two readings."""

    packets: int
    bytes: int
    flows: int


def rule_growth(now: CounterReading, before: CounterReading, number: int) -> RuleGrowth:
    """Return the growth of a rule's counters; after a reset, their values."""
    new, old = now.rules[number], before.rules.get(number)
    if old is None or old.packets > new.packets:
        return RuleGrowth(new.packets, new.bytes, new.flows)
    return RuleGrowth(new.packets - old.packets, new.bytes - old.bytes, max(0, new.flows - old.flows))


def reasons(now: CounterReading, before: CounterReading | None, what: str) -> list[ReasonRate]:
    """List reasons that counted packets, with packets per second, the highest rate first."""
    counts: Mapping[str, Count] = getattr(now, what)
    rows = []
    for name, count in counts.items():
        rate = None
        if before is not None:
            grown = max(0, count.packets - getattr(before, what)[name].packets)
            rate = round(grown / (now.at - before.at), 1)
        if count.packets:
            rows.append(ReasonRate(name, count.packets, rate))
    return sorted(rows, key=lambda row: (-(row.rate or 0), -row.packets))


def processor(now: CounterReading, before: CounterReading | None) -> ProcessorLoad:
    """Return the share of CPU time spent in softirq, in percent: on average and of the busiest CPU."""
    if before is None or len(before.processors) != len(now.processors):
        return ProcessorLoad(None, None, os.cpu_count())
    shares = [
        100 * (new[0] - old[0]) / max(1, new[1] - old[1])
        for new, old in zip(now.processors, before.processors, strict=True)
    ]
    return ProcessorLoad(round(sum(shares) / len(shares), 1), round(max(shares), 1), len(shares))


def _speed(packets: int, octets: int, seconds: float) -> Speed:
    return Speed(round(packets / seconds), round(8 * octets / seconds))


def _wires(text: str) -> dict[str, tuple[int, int, int, int]]:
    """Parse /proc/net/dev: packets and bytes received, then sent."""
    found = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = [int(number) for number in numbers.split()]
        found[name.strip()] = (fields[1], fields[0], fields[9], fields[8])
    return found


def _ticks(text: str) -> tuple[tuple[int, int], ...]:
    lines = [line.split() for line in text.splitlines() if line.startswith("cpu") and line[3] != " "]
    return tuple((int(line[1 + _SOFTIRQ]), sum(map(int, line[1:9]))) for line in lines)
