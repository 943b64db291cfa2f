# SPDX-License-Identifier: Apache-2.0
"""Datapaths that one gateway has after another.

Verifying the programs takes the kernel several times as long as all else that a gateway needs. So the pins of
a gateway that is gone are kept, and emptied for the next one: it finds what a snatd leaves that ends before
its first commit. A datapath that is not in one piece is thrown away.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from snatsh.datapath import layout
from snatsh.datapath.bpf_syscall import Map, open_pin
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.loading import commit_mark, namespace_mark, recovery
from snatsh.datapath.maps import LAYOUT_VERSION, MAPS
from snatsh.lab.gateway import Snatd
from snatsh.lab.namespaces import PIN_FOLDER, new_identity
from tests import private_maps

FOLDER = f"v{LAYOUT_VERSION}-262144"
MOST = 20_000  # flows, to end which is faster than to load the programs
OF_THE_TABLE = ("records", "tag_buckets", "record_counts")
"""Arrays that are in order when all flows have ended."""

_kept: list[Path] = []


@contextmanager
def lent(snatd: Snatd, hook: str) -> Iterator[None]:
    """Give a snatd that was not started yet a datapath, where there is one. Afterwards it is killed."""
    _kept.sort(key=_has_xdp, reverse=hook == "tc")
    while _kept and not snatd.pins.exists():
        folder = _kept.pop()  # which fits best
        if empty(folder):
            snatd.pins.parent.mkdir(exist_ok=True)
            folder.rename(snatd.pins)
        else:
            shutil.rmtree(folder)
    yield
    snatd.kill()
    if [path.name for path in snatd.pins.glob("*v*-*")] == [FOLDER]:
        # Named after this process, so that what it leaves when it is killed is removed by the next one.
        folder = PIN_FOLDER / f"snatsh-lab-{new_identity()}"
        snatd.pins.rename(folder)
        _kept.append(folder)


def remove_all() -> None:
    while _kept:
        shutil.rmtree(_kept.pop())


def _has_xdp(pins: Path) -> bool:
    return any(pins.glob("v*/programs-*/xdp_inside"))


def empty(pins: Path) -> bool:
    """End all flows and forget rules and counters. False where that is more work than to load it anew."""
    found = recovery.pinned_set(pins / FOLDER)
    (path,) = (pins / FOLDER).glob("programs-*/xdp_sweep")
    sweep = open_pin(path)
    try:
        table = FlowTable(found.maps, {"xdp_sweep": sweep})
        if found.maps.keys() != MAPS.keys() or len(table) > MOST:
            return False
        for records in table.parts():
            table.end(records["live"], force=True)
        for name, held in found.maps.items():
            _clear(name, held)
        private_maps.clear(pins / FOLDER)
    finally:
        found.close()
        os.close(sweep)
    commit_mark.clear(pins)
    namespace_mark.clear(pins)
    return True


def _clear(name: str, held: Map) -> None:
    kind = MAPS[name].kind
    if name == "control":
        number: Any = np.zeros(1, dtype=layout.INDEX)
        value = np.array([held.get(number)])
        for word in ("generation", "epoch", "watched", "traced"):
            value[word] = 0
        held.put(number, value)
    elif kind in ("array", "percpu_array") and name not in OF_THE_TABLE:
        keys, values = held.dump()
        held.put_all(keys, np.zeros_like(values))
    elif kind in ("hash", "lru_hash", "lpm_trie"):  # interfaces leave a device map by themselves
        held.remove_all(held.dump()[0])
