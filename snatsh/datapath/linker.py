# SPDX-License-Identifier: Apache-2.0
"""From compiled programs to programs in the kernel: create the maps, link and load the programs, pin both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path

from snatsh.datapath import bpf_syscall
from snatsh.datapath.bcc.object_code import ObjectCode
from snatsh.datapath.maps import MAP_TYPES, MAPS, TableSize, kernel_name

_LICENSE = "Dual BSD/GPL"


def shared_map(pin: Path, size: TableSize) -> int:
    """Create and pin the map of this name; return its file descriptor."""
    definition = MAPS[pin.name]
    fd = bpf_syscall.create_map(
        kernel_name(pin.name),
        MAP_TYPES[definition.kind],
        definition.key.itemsize,
        definition.value.itemsize,
        definition.max_entries(size),
        definition.flags,
    )
    bpf_syscall.pin(fd, pin)
    return fd


def load_programs(code: ObjectCode, maps: Mapping[str, int], folder: Path) -> None:
    """Load the programs and pin them in `folder`; closes `maps`, their file descriptors by name.

    A map that is not among them is private: it is created here and lives as long as the programs that use it.
    """
    with ExitStack() as held, ThreadPoolExecutor() as workers:  # the kernel verifies one program a CPU
        descriptors = dict(maps)
        for name in code.private_maps.keys() - maps.keys():
            descriptors[name] = bpf_syscall.create_map(name, *astuple(code.private_maps[name]))
        for fd in descriptors.values():
            held.callback(os.close, fd)

        def load_one(name: str) -> None:
            kind = bpf_syscall.XDP if name.startswith("xdp_") else bpf_syscall.SCHED_CLS
            fd = bpf_syscall.load_program(name, kind, code.programs[name].linked(descriptors), _LICENSE)
            held.callback(os.close, fd)
            bpf_syscall.pin(fd, folder / name)

        for loaded in [workers.submit(load_one, name) for name in code.programs]:
            loaded.result()
