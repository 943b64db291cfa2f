# SPDX-License-Identifier: Apache-2.0
"""The flow table (bpf/table.h): read through windows onto the kernel's memory, changed by programs.

A record is a flow with its mapping. Its `live` names it as long as it lasts and is never used again.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.datapath import bpf_syscall, layout
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.constants import FIND_KEYS, MIGRATE_RECORDS, SWEEP_KEYS

_WINDOW = 16_384  # records: small enough for the processor's caches
_MAC = 6
_NUMBER = np.uint64(0xFFFFFFFF)
_WANTED = np.dtype([("key", layout.FLOW_KEY), ("live", "u8")], align=True)
_HEADER = layout.SWEEP_HEADER.itemsize

Station = tuple[int, bytes]
"""Interface index and MAC address."""


class FlowTable:
    """programs: file descriptors by name; a table that is only read needs none."""

    def __init__(self, maps: Mapping[str, Map], programs: Mapping[str, int]) -> None:
        self._records = maps["records"]
        self._counts = maps.get("record_counts")  # without it, any record may be in use
        self._programs = programs

    @property
    def capacity(self) -> int:
        return self._records.info.max_entries

    def __len__(self) -> int:
        """Flows in the table, expired ones too."""
        return sum(int(np.count_nonzero(window["live"])) for window in self._windows())

    def parts(self) -> Iterator[NDArray[Any]]:
        """All flows as copies of their records, in runs.

        A flow that ended while it was copied is left out: its record may be half another's.
        """
        for window in self._windows():
            live = window["live"].copy()
            there = np.flatnonzero(live)
            records = window[there]
            same = window["live"][there] == live[there]
            yield records if same.all() else records[same]

    def expired(self, now: int) -> NDArray[np.uint64]:
        """The `live` of every flow whose time is over. now: in ticks."""
        found = [np.zeros(0, dtype=np.uint64)]
        for window in self._windows():
            left = (window["outbound"]["expires"] - np.uint32(now)).astype(np.int32)
            found.append(window["live"][(left <= 0) & (window["live"] != 0)])
        return np.concatenate(found)

    def stations(self, since: int) -> set[Station]:
        """To whom flows have sent packets by a known path since this tick, less than half a wrap ago."""
        found: set[Station] = set()
        for window in self._windows():
            live = window["live"] != 0
            for half in (window["outbound"], window["inbound"]):
                recent = (half["touched"] - np.uint32(since)).astype(np.int32) >= 0
                used = np.flatnonzero(live & recent & (half["out_ifindex"] != 0))
                found |= _stations(half["out_ifindex"][used], half["ethernet"][used])
        return found

    def elsewhere(self, homes: Mapping[int, int]) -> NDArray[Any]:
        """Records of flows that leave by another interface than their rule's, where that is known.

        homes: interface index by rule number. Flows that a rule redirects are left out.
        """
        rules = np.array(sorted(homes), dtype=np.uint32)
        indices = np.array([homes[int(rule)] for rule in rules], dtype=np.uint32)
        found: list[NDArray[Any]] = [np.zeros(0, dtype=layout.RECORD)]
        for window in self._windows() if len(rules) else ():
            live, outbound = window["live"].copy(), window["outbound"]
            routed = np.flatnonzero(
                (live != 0) & (outbound["out_ifindex"] != 0) & (outbound["redirect"] == 0)
            )
            rule = window["inbound"]["rule"][routed]
            at = np.minimum(np.searchsorted(rules, rule), len(rules) - 1)
            moved = routed[(rules[at] == rule) & (outbound["out_ifindex"][routed] != indices[at])]
            records = window[moved]
            found.append(records[window["live"][moved] == live[moved]])
        return np.concatenate(found)

    def find(self, keys: NDArray[Any]) -> NDArray[np.uint64]:
        """The `live` of the flows with these keys; 0 where there is none."""
        lives: NDArray[np.uint64] = np.zeros(len(keys), dtype=np.uint64)
        for start in range(0, len(keys), FIND_KEYS):
            part = keys[start : start + FIND_KEYS]
            asked: NDArray[Any] = np.zeros(len(part), dtype=_WANTED)
            asked["key"] = part
            _, answer = self._run("xdp_find", asked, False)
            lives[start : start + len(asked)] = np.frombuffer(answer, _WANTED, len(asked), _HEADER)["live"]
        return lives

    def get(self, keys: NDArray[Any]) -> NDArray[Any]:
        """The records of the flows with these keys, without those that are not there. For a few."""
        found: NDArray[Any] = np.zeros(len(keys), dtype=layout.RECORD)
        for at, live in enumerate(self.find(keys)):
            if live:
                number = np.array([live & _NUMBER], dtype=layout.INDEX)
                record, after = (self._records.get(number) for _ in range(2))
                if after is not None and after["live"] == live:
                    found[at] = record
        there: NDArray[Any] = found[found["live"] != 0]
        return there

    def end(self, lives: NDArray[np.uint64], *, force: bool) -> int:
        """End these flows, without `force` only expired ones. Return how many ended.

        The check and the end happen in the kernel, next to each other.
        """
        ended = 0
        for start in range(0, len(lives), SWEEP_KEYS):
            ended += self._run("xdp_sweep", lives[start : start + SWEEP_KEYS], force)[0]
        return ended

    def adopt(self, records: NDArray[Any], *, settle: bool) -> int:
        """Add flows of another table while there is room and their tuples are free. Return how many.

        settle: add them to the gauges of their addresses and subscribers.
        """
        adopted = 0
        for start in range(0, len(records), MIGRATE_RECORDS):
            adopted += self._run("xdp_migrate", records[start : start + MIGRATE_RECORDS], settle)[0]
        return adopted

    def _windows(self) -> Iterator[NDArray[Any]]:
        """Views onto all records that were ever in use, valid until the next one."""
        counts: Any = self._counts.get(np.zeros(1, dtype=layout.INDEX)) if self._counts else None
        used = self.capacity if counts is None else min(int(counts["used"]), self.capacity)
        for first in range(0, used, _WINDOW):
            count = min(_WINDOW, used - first)
            offset = first * layout.RECORD.itemsize
            begin = offset - offset % mmap.PAGESIZE
            length = offset - begin + count * layout.RECORD.itemsize
            memory = mmap.mmap(self._records.fd, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=begin)
            yield np.frombuffer(memory, layout.RECORD, count, offset - begin)

    def _run(self, program: str, items: NDArray[Any], force: bool) -> tuple[int, bytes]:
        header: NDArray[Any] = np.zeros(1, dtype=layout.SWEEP_HEADER)
        header["count"], header["force"] = len(items), force
        return bpf_syscall.test_run(
            self._programs[program], header.tobytes() + np.ascontiguousarray(items).tobytes()
        )


def _stations(interfaces: NDArray[Any], headers: NDArray[Any]) -> set[Station]:
    """headers: begin with the destination's MAC address."""
    words: NDArray[Any] = np.zeros((len(headers), 8), dtype=np.uint8)
    words[:, :_MAC] = headers[:, :_MAC]
    macs = words.view("<u8")[:, 0]  # far faster to sort than bytes
    return {
        (int(index), int(mac).to_bytes(_MAC, "little"))
        for index in np.unique(interfaces)
        for mac in np.unique(macs[interfaces == index])
    }
