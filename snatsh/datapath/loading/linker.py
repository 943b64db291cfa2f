# SPDX-License-Identifier: Apache-2.0
"""From compiled programs to programs in the kernel: create the maps, link and load the programs, pin both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import astuple
from pathlib import Path

from snatsh.datapath import bpf_syscall
from snatsh.datapath.bcc.object_code import ObjectCode, PrivateMap
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


def load_programs(
    code: ObjectCode, names: Collection[str], maps: Mapping[str, int], folder: Path, private: Path
) -> None:
    """Load these programs and pin them in `folder`. On an error some are left there. maps: file descriptors.

    A map that is not among `maps` is theirs alone: it is taken from `private`, or created and pinned there.
    """
    wanted = {name: code.programs[name] for name in names}
    used = {map_ for program in wanted.values() for map_ in program.maps.values()}
    with ExitStack() as held, ThreadPoolExecutor() as workers:  # the kernel verifies one program a CPU
        descriptors = dict(maps)
        for name in used - maps.keys():
            descriptors[name] = _private_map(private / name, code.private_maps[name])
            held.callback(os.close, descriptors[name])

        def load_one(name: str) -> None:
            kind = bpf_syscall.XDP if name.startswith("xdp_") else bpf_syscall.SCHED_CLS
            fd = bpf_syscall.load_program(name, kind, wanted[name].linked(descriptors), _LICENSE)
            held.callback(os.close, fd)
            bpf_syscall.pin(fd, folder / name)

        for loaded in [workers.submit(load_one, name) for name in wanted]:
            loaded.result()


def unpin(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _private_map(pin: Path, definition: PrivateMap) -> int:
    with suppress(FileNotFoundError):
        return bpf_syscall.open_pin(pin)
    fd = bpf_syscall.create_map(pin.name, *astuple(definition))
    bpf_syscall.pin(fd, pin)
    return fd
