# SPDX-License-Identifier: Apache-2.0
"""Compile, load and pin the programs, or find again what is pinned.

Below the pins folder: `v<layout>-<flows>/` holds the maps of one layout and size, and in it
`programs-<hash>/` the programs of one source text. A restart opens both and compiles nothing; new
source text over the same layout keeps the maps and so the flows.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snatsh.datapath import bpf_syscall, constants, flow_migration, layout, linker, maps
from snatsh.datapath.bcc.object_cache import ObjectCache, default_folder, key_of
from snatsh.datapath.bcc.object_code import ObjectCode
from snatsh.datapath.bcc.source import assemble, program_files
from snatsh.datapath.bcc.toolchain import compile_source
from snatsh.datapath.capabilities import Capability, holds
from snatsh.datapath.errors import DatapathError, LoadError
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.layout import INDEX
from snatsh.datapath.maps import LAYOUT_VERSION, MAPS, TableSize
from snatsh.datapath.programs import PROGRAMS, TAIL_CALLS

_BPFFS_MAGIC = 0xCAFE4A11


@dataclass(frozen=True, slots=True)
class Loaded:
    """File descriptors of everything; `adopted`: it was all there already.

    predecessor: maps of the same layout with other room for flows, which run until the programs are attached.
    """

    folder: Path
    maps: dict[str, bpf_syscall.Map]
    programs: dict[str, int]
    adopted: bool
    predecessor: dict[str, bpf_syscall.Map] | None = None


def source_text() -> str:
    """Return the whole datapath as one C text, with the assertions that hold it to its twins in Python."""
    held = (*constants.assertions(), *layout.assertions(), *maps.assertions())
    return assemble(program_files()) + '#line 1 "assertions"\n' + "\n".join(held) + "\n"


def load(pins: Path, max_flows: int) -> Loaded:
    """Take up what is pinned below `pins`, or compile and load it. Raises LoadError."""
    check_bpffs(pins)
    text = source_text()
    folder = pins / f"v{LAYOUT_VERSION}-{max_flows}"
    programs = folder / f"programs-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    fresh = not folder.exists()
    adopted = all((programs / name).exists() for name in PROGRAMS)
    try:
        if not adopted:
            _make(text, folder, programs, TableSize(max_flows))
        before = _predecessor(pins, folder) if fresh else None
        loaded = Loaded(folder, _open_maps(folder), _open_programs(programs), adopted, before)
        _link_tail_calls(loaded)
        if before is not None:
            flow_migration.copy(before, loaded.maps, FlowTable(loaded.maps, loaded.programs))
        _keep_secret(loaded.maps["control"])
    except OSError as error:
        raise LoadError(
            f"{folder}: {error.strerror}; remove the folder to start again (this ends all flows)"
        ) from error
    return loaded


def remove_others(pins: Path, kept: Path) -> None:
    """Unpin maps of other layouts and programs of other source texts than those in use."""
    for folder in pins.glob("v*-*"):
        if folder != kept:
            unpin(folder)
    in_use = f"programs-{hashlib.sha256(source_text().encode()).hexdigest()[:16]}"
    for folder in kept.glob("programs-*"):
        if folder.name != in_use:
            unpin(folder)


def other_layouts(pins: Path) -> list[Path]:
    """What versions with records or maps of another layout pinned; nothing of it can be taken over."""
    return sorted(set(pins.glob("v*-*")) - set(pins.glob(f"v{LAYOUT_VERSION}-*")))


def unpin(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def program_pins(pins: Path) -> list[Path]:
    """Return the pinned programs of all versions."""
    return sorted(pins.glob("v*-*/programs-*/*"))


def check_bpffs(pins: Path) -> None:
    """Make the pins folder. LoadError if nothing can be pinned there."""
    if not _may_bpf():
        raise LoadError(
            "not allowed to load BPF programs: expected root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
        )
    try:
        pins.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LoadError(f"{pins}: can't make the folder for the pins: {error.strerror}") from error
    if not is_bpffs(pins):
        mount = "mount -t bpf bpf /sys/fs/bpf"
        raise LoadError(f"{pins}: is not on a BPF file system, so nothing can be pinned there; try: {mount}")


def is_bpffs(path: Path) -> bool:
    """Whether `path` lies on a BPF file system (statfs(2) type)."""
    buffer = (ctypes.c_long * 32)()
    ctypes.CDLL(None).statfs(os.fsencode(path), buffer)
    return buffer[0] & 0xFFFFFFFF == _BPFFS_MAGIC


def _may_bpf() -> bool:
    return holds(Capability.BPF) or holds(Capability.SYS_ADMIN)


def _make(text: str, folder: Path, programs: Path, size: TableSize) -> None:
    """Make and pin what is missing; on an error nothing new is left."""
    fresh = not folder.exists()
    code = _object_code(text, size)
    folder.mkdir(exist_ok=True, mode=0o700)
    try:
        shared = {name: linker.shared_map(folder / name, size) for name in MAPS}
        unpin(programs)
        programs.mkdir(mode=0o700)
        linker.load_programs(code, shared, programs)
    except (DatapathError, OSError) as error:
        unpin(programs)
        if fresh:
            unpin(folder)
        if isinstance(error, LoadError):
            raise
        release = os.uname().release
        raise LoadError(f"the datapath does not load on this kernel ({release}): {error}") from error


def _object_code(text: str, size: TableSize) -> ObjectCode:
    """Return the compiled programs, from the cache where they are in it."""
    flags = [f"-D{name}={value}" for name, value in size.defines.items()]
    flags.append(f"-DRECENT_CPUS={_recent_cpus()}")
    cache, key = ObjectCache(default_folder()), key_of(text, flags)
    code = cache.get(key)
    if code is None:
        code = compile_source(text, flags, PROGRAMS, MAPS)
        cache.put(key, code)
    return code


def _keep_secret(control: bpf_syscall.Map) -> None:
    """The flow table's hash gets its secrets when the table is new."""
    key: Any = np.zeros(1, dtype=INDEX)
    value = np.array([control.get(key)])
    if not value["secrets"].any():
        value["secrets"] = np.frombuffer(secrets.token_bytes(value["secrets"].nbytes), np.uint64)
        control.put(key, value)


def _recent_cpus() -> int:
    """CPUs with a memory of recent flows (bpf/eviction.h): a power of two; further CPUs share."""
    return min(64, 1 << (bpf_syscall.possible_cpus() - 1).bit_length())


def _open_maps(folder: Path) -> dict[str, bpf_syscall.Map]:
    return {
        name: bpf_syscall.Map(
            bpf_syscall.open_pin(folder / name), definition.key, definition.value, per_cpu=definition.per_cpu
        )
        for name, definition in MAPS.items()
    }


def _predecessor(pins: Path, folder: Path) -> dict[str, bpf_syscall.Map] | None:
    others = [path for path in sorted(pins.glob(f"v{LAYOUT_VERSION}-*")) if path != folder]
    complete = [path for path in others if all((path / name).exists() for name in MAPS)]
    return _open_maps(complete[0]) if complete else None


def _open_programs(folder: Path) -> dict[str, int]:
    return {name: bpf_syscall.open_pin(folder / name) for name in PROGRAMS}


def _link_tail_calls(loaded: Loaded) -> None:
    for table, names in TAIL_CALLS.items():
        for index, name in enumerate(names):
            key: Any = np.array([index], dtype=INDEX)
            loaded.maps[table].put(key, np.array([loaded.programs[name]], dtype=INDEX))
