# SPDX-License-Identifier: Apache-2.0
"""The maps that only the programs use: recent flows, addresses to spare, how far a sweep came."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from snatsh.datapath.bpf_syscall import Map, map_info, open_pin
from snatsh.datapath.layout import INDEX
from snatsh.datapath.maps import MAP_TYPES


def clear(folder: Path) -> None:
    """As the programs over the maps of this folder find them when they are loaded."""
    for pin in folder.glob("private-*/*"):
        fd = open_pin(pin)
        info = map_info(fd)
        if info.kind == MAP_TYPES["array"]:
            held = Map(fd, INDEX, np.dtype(f"V{info.value_size}"))
            keys, values = held.dump()
            held.put_all(keys, np.zeros_like(values))
        os.close(fd)
