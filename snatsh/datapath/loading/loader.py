# SPDX-License-Identifier: Apache-2.0
"""Compile, load and pin the programs, or find again what is pinned.

Below the pins folder: `v<layout>-<flows>/` holds the maps of one layout and size, and in it the programs of
one source text (program_set.py). A restart opens both and compiles nothing; new source text over the same
layout keeps the maps and so the flows.

A folder is filled under another name, with the flows of the table in use, and then renamed: under its own
name it is complete. What a killed snatd left under the other name is removed.
"""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from snatsh.datapath import bpf_syscall, constants, layout, maps
from snatsh.datapath.bcc.object_cache import ObjectCache, default_folder, key_of
from snatsh.datapath.bcc.object_code import ObjectCode
from snatsh.datapath.bcc.source import assemble, program_files
from snatsh.datapath.bcc.toolchain import compile_source
from snatsh.datapath.capabilities import Capability, holds
from snatsh.datapath.errors import LoadError
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.layout import INDEX
from snatsh.datapath.loading import flow_migration, linker, recovery
from snatsh.datapath.loading.linker import unpin
from snatsh.datapath.loading.own_programs import OwnPrograms
from snatsh.datapath.loading.program_set import ProgramSet, pinned_programs
from snatsh.datapath.loading.recovery import MapSet
from snatsh.datapath.maps import MAPS, TableSize
from snatsh.datapath.programs import PROGRAMS, Group

log = logging.getLogger(__name__)

_ALWAYS: tuple[Group, ...] = ("table", "tc")
_BPFFS_MAGIC = 0xCAFE4A11
_VERSIONS, _REPLACED, _UNFINISHED = "v*-*", "was-v*-*", "making-v*-*"
"""Folders in use, one that a new one of the same name replaces, and those a killed snatd left."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """File descriptors of everything; `adopted`: it was all there already.

    fresh: no program of these maps is attached yet. predecessors: tables of the same layout that attached
    programs use until they are replaced.
    """

    folder: Path
    maps: dict[str, bpf_syscall.Map]
    programs: ProgramSet
    adopted: bool
    fresh: bool = False
    predecessors: tuple[MapSet, ...] = ()


def source_text() -> str:
    """Return the whole datapath as one C text, with the assertions that hold it to its twins in Python."""
    held = (*constants.assertions(), *layout.assertions(), *maps.assertions())
    return assemble(program_files()) + '#line 1 "assertions"\n' + "\n".join(held) + "\n"


def load(pins: Path, max_flows: int, own: OwnPrograms | None = None) -> Loaded:
    """Take up what is pinned below `pins`, or compile and load it. Raises LoadError.

    own: the programs that run already, whose flows are taken over.
    """
    check_bpffs(pins)
    for folder in pins.glob(_UNFINISHED):
        unpin(folder)
    text = source_text()
    wanted = pins / f"v{maps.LAYOUT_VERSION}-{max_flows}"
    used = recovery.sets_in_use(own, of_this_layout(pins)) if own else []
    mine = [one for one in used if one.folder == wanted]
    try:
        if _is_complete(wanted) and (mine or not used):
            for one in mine:
                one.close()
            others = tuple(one for one in used if one.folder != wanted)
            adopted = _adopt(text, wanted, max_flows)
            adopted.programs.require(*_takeover(others))
            return replace(adopted, fresh=not mine, predecessors=others)
        before = used or _left(pins)
        _report(wanted, before, own is not None and own.is_attached)
        return _begin(text, wanted, max_flows, before)
    except OSError as error:
        raise LoadError(f"{wanted}: {error.strerror}") from error


def _adopt(text: str, folder: Path, max_flows: int) -> Loaded:
    """Go on with the maps of a folder; programs of this source text are added where there are none."""
    opened = _open_maps(folder)
    programs = _programs(folder, text, opened, max_flows)
    adopted = programs.has(*_ALWAYS)
    programs.require(*_ALWAYS)
    return Loaded(folder, opened, programs, adopted)


def _begin(text: str, folder: Path, max_flows: int, before: list[MapSet]) -> Loaded:
    """Make new maps and programs, and copy the flows of the tables before; on an error nothing is left."""
    making = folder.with_name(f"making-{folder.name}")
    making.mkdir(mode=0o700)
    try:
        for name in MAPS:
            os.close(linker.shared_map(making / name, TableSize(max_flows)))
        opened = _open_maps(making)
        programs = _programs(making, text, opened, max_flows)
        programs.require(*_ALWAYS, *_takeover(before))
        flow_migration.copy_tables(before, opened)
        _keep_secret(opened["control"])
        flow_migration.copy_all_flows(before, opened, FlowTable(opened, programs))
    except BaseException:
        unpin(making)
        raise
    _name(making, folder, before)
    programs.folder = folder
    return Loaded(folder, opened, programs, False, True, tuple(before))


def _takeover(before: Collection[MapSet]) -> tuple[Group, ...]:
    return ("takeover",) if before else ()


def _programs(folder: Path, text: str, opened: dict[str, bpf_syscall.Map], max_flows: int) -> ProgramSet:
    return ProgramSet(folder, text, opened, lambda: object_code(text, TableSize(max_flows)))


def _report(folder: Path, before: list[MapSet], is_attached: bool) -> None:
    if not any(one.has_flows for one in before):
        if is_attached or folder.exists():
            log.error("%s: pins are missing, and the flow table can't be found: all flows end", folder)
    elif any(one.folder is None or not _is_complete(one.folder) for one in before):
        log.warning("%s: pins are missing; the flows of the programs attached are taken over", folder)


def _name(making: Path, folder: Path, before: list[MapSet]) -> None:
    """Give a complete folder its name. One that is in use is kept until its programs are replaced."""
    replaced = folder.with_name(f"was-{folder.name}")
    if any(one.folder == folder for one in before):
        unpin(replaced)
        folder.rename(replaced)
    else:
        unpin(folder)
    making.rename(folder)


def _is_complete(folder: Path) -> bool:
    found = recovery.pinned_set(folder)
    found.close()
    return found.maps.keys() == MAPS.keys()


def of_this_layout(pins: Path) -> list[Path]:
    """The complete folders of maps of this layout."""
    version = f"v{maps.LAYOUT_VERSION}-*"
    return sorted([*pins.glob(version), *pins.glob(f"was-{version}")])


def _left(pins: Path) -> list[MapSet]:
    """Where no program is attached: the first table that can be read."""
    for folder in of_this_layout(pins):
        found = recovery.pinned_set(folder)
        if found.has_flows:
            return [found]
        found.close()
    return []


def remove_others(pins: Path, kept: ProgramSet) -> None:
    """Unpin maps of other layouts and programs of other source texts than those in use."""
    for folder in versions(pins):
        if folder != kept.folder:
            unpin(folder)
    kept.remove_others()


def versions(pins: Path) -> list[Path]:
    """Every folder of maps, of whichever version and state."""
    return [folder for kind in (_VERSIONS, _REPLACED, _UNFINISHED) for folder in sorted(pins.glob(kind))]


def complete_versions(pins: Path) -> list[Path]:
    """The same without those that were being filled: nothing runs by them."""
    return [folder for kind in (_VERSIONS, _REPLACED) for folder in sorted(pins.glob(kind))]


def other_layouts(pins: Path) -> list[Path]:
    """What versions with records or maps of another layout pinned; nothing of it can be taken over."""
    return sorted(set(pins.glob(_VERSIONS)) - set(pins.glob(f"v{maps.LAYOUT_VERSION}-*")))


def program_pins(pins: Path) -> list[Path]:
    """Return the pinned programs of all versions."""
    return [path for folder in versions(pins) for path in pinned_programs(folder)]


def check_bpffs(pins: Path) -> None:
    """Make the pins folder. LoadError if nothing can be pinned there."""
    if not _may_bpf():
        raise LoadError(
            "not allowed to load BPF programs: expected root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
        )
    if not is_bpffs(pins):
        mount = "mount -t bpf bpf /sys/fs/bpf"
        raise LoadError(f"{pins}: is not on a BPF file system, so nothing can be pinned there; try: {mount}")
    try:
        pins.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LoadError(f"{pins}: can't make the folder for the pins: {error.strerror}") from error


def is_bpffs(path: Path) -> bool:
    """Whether `path`, or the nearest folder above it there is, is on a BPF file system (statfs(2) type)."""
    there = next(one for one in (path, *path.parents) if one.exists())
    buffer = (ctypes.c_long * 32)()
    ctypes.CDLL(None).statfs(os.fsencode(there), buffer)
    return buffer[0] & 0xFFFFFFFF == _BPFFS_MAGIC


def pins_fault(pins: Path, programs: ProgramSet) -> str:
    """Say what is wrong with the pins of what is loaded; empty when they are there.

    The kernel empties a map of tail-called programs when neither a pin nor a process holds it.
    """
    if programs.are_pinned:
        return ""
    if not is_bpffs(pins):
        return (
            f"{pins} is no longer on a BPF file system: mount one there, then restart snatd; "
            "if it stops before, new flows are dropped"
        )
    return f"pins are missing in {programs.folder}: restart snatd; while it is stopped, new flows are dropped"


def _may_bpf() -> bool:
    return holds(Capability.BPF) or holds(Capability.SYS_ADMIN)


def object_code(text: str, size: TableSize) -> ObjectCode:
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
    return {name: recovery.opened(name, bpf_syscall.open_pin(folder / name)) for name in MAPS}
