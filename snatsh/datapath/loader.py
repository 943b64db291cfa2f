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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snatsh import resources
from snatsh.datapath import bpf_syscall, flow_migration, layout
from snatsh.datapath.capabilities import Capability, holds
from snatsh.datapath.errors import LoadError
from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.layout import INDEX, LAYOUT_VERSION, MAPS, assertions
from snatsh.datapath.toolchain import cflags, kernel_stub

SOURCE_FOLDER = resources.folder("bpf")
# BCC rewrites map methods in the main file only, so the parts are pasted into one text, in this order.
SOURCES = (
    "types.h", "counters.h", "config.h", "hash.h", "checksum.h", "parse.h", "trace.h", "path.h",
    "allocator.h", "endpoints.h", "table.h", "flows.h", "pools.h", "rules.h", "ports.h", "limits.h",
    "pressure.h", "open.h", "open_endpoint.h", "refuse.h", "reset.h", "rewrite.h", "fragments.h",
    "icmp.h", "foreign.h", "arp.h", "known.h", "skb.h", "short.h", "xdp.c",
    "tc_inside.c", "tc_outside.c", "tc_open.c", "tc_plain.c", "sweep.c",
)  # fmt: skip
XDP_PROGRAMS = (
    "xdp_inside", "xdp_match", "xdp_claim", "xdp_endpoint", "xdp_refuse", "xdp_reset", "xdp_outside",
    "xdp_sweep", "xdp_sweep_exteriors", "xdp_find", "xdp_adopt",
)  # fmt: skip
TC_PROGRAMS = (
    "tc_inside", "tc_inside_out", "tc_outside_in", "tc_outside_out", "tc_match", "tc_claim", "tc_endpoint",
    "tc_refuse", "tc_reset", "tc_plain_in", "tc_plain_out",
)  # fmt: skip
TAIL_CALLS = {
    "xdp_programs": ("xdp_match", "xdp_claim", "xdp_endpoint", "xdp_refuse", "xdp_reset", "xdp_inside"),
    "tc_programs": (
        "tc_match",
        "tc_claim",
        "tc_endpoint",
        "tc_refuse",
        "tc_outside_in",
        "tc_outside_out",
        "tc_reset",
        "tc_inside",
    ),
}
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
    """The whole datapath as one C text, with line markers for errors and the layout assertions."""
    parts = [f'#line 1 "bpf/{name}"\n{(SOURCE_FOLDER / name).read_text()}' for name in SOURCES]
    return "".join(parts) + '#line 1 "layout"\n' + "\n".join(assertions()) + "\n"


def load(pins: Path, max_flows: int) -> Loaded:
    """Take up what is pinned below `pins`, or compile and load it. Raises LoadError."""
    _check_bpffs(pins)
    text = source_text()
    folder = pins / f"v{LAYOUT_VERSION}-{max_flows}"
    programs = folder / f"programs-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    fresh = not folder.exists()
    adopted = all((programs / name).exists() for name in (*XDP_PROGRAMS, *TC_PROGRAMS))
    try:
        if not adopted:
            _compile(text, folder, programs, max_flows)
        before = _predecessor(pins, folder) if fresh else None
        loaded = Loaded(folder, _open_maps(folder), _open_programs(programs), adopted, before)
        _link_tail_calls(loaded)
        if before is not None:
            flow_migration.copy(before, loaded.maps, FlowTable(loaded.maps, loaded.programs))
        _keep_secret(loaded.maps["control"])
    except OSError as error:
        raise LoadError(
            f"{folder}: {error.strerror}; remove the folder to start afresh (this ends all flows)"
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
    """Every program of ours that is pinned, whatever its version."""
    return sorted(pins.glob("v*-*/programs-*/*"))


def _check_bpffs(pins: Path) -> None:
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


def _compile(text: str, folder: Path, programs: Path, max_flows: int) -> None:
    """Compile and load; maps are pinned by BCC as it makes them, programs here."""
    try:
        from bcc import BPF
    except ImportError as error:
        raise LoadError(
            f"BCC can't be imported ({error}); on Debian: apt-get install python3-bpfcc"
        ) from error
    if not Path("/usr/include/linux/bpf.h").exists():
        raise LoadError("/usr/include/linux/bpf.h is missing; on Debian: apt-get install linux-libc-dev")
    fresh = not folder.exists()
    folder.mkdir(exist_ok=True, mode=0o700)
    _check_pinned(folder)
    stub = kernel_stub()
    try:
        flags = [*cflags(stub), f'-DPIN_DIR="{folder}"', f"-DMAX_FLOWS={max_flows}", *table_size(max_flows)]
        flags.append(f"-DRECENT_CPUS={_recent_cpus()}")
        bpf = BPF(text=text.encode(), cflags=flags)
        unpin(programs)
        programs.mkdir(mode=0o700)
        kinds = {**dict.fromkeys(XDP_PROGRAMS, BPF.XDP), **dict.fromkeys(TC_PROGRAMS, BPF.SCHED_CLS)}
        with ThreadPoolExecutor() as workers:  # the kernel verifies one program a CPU
            opened = {
                name: workers.submit(bpf.load_func, name.encode(), kind) for name, kind in kinds.items()
            }
            for name, program in opened.items():
                bpf_syscall.pin(program.result().fd, programs / name)
    except Exception as error:  # BCC raises Exception itself
        unpin(programs)
        if fresh:
            unpin(folder)
        raise LoadError(
            f"the datapath does not load on this kernel ({os.uname().release}): {error}"
        ) from error
    bpf.cleanup()


def _keep_secret(control: bpf_syscall.Map) -> None:
    """The flow table's hash gets its secrets when the table is new."""
    key: Any = np.zeros(1, dtype=INDEX)
    value = np.array([control.get(key)])
    if not value["secrets"].any():
        value["secrets"] = np.frombuffer(secrets.token_bytes(value["secrets"].nbytes), np.uint64)
        control.put(key, value)


def table_size(max_flows: int) -> list[str]:
    """Bits that number the records, and lines of the index: half of its tags stay free (bpf/table.h)."""
    bits = (max_flows - 1).bit_length()
    return [f"-DNUMBER_BITS={bits}", f"-DLINES={max((2 << bits) // layout.LINE_TAGS, 1)}"]


def _recent_cpus() -> int:
    """CPUs that remember flows by themselves (bpf/pressure.h): a power of two; beyond it they share."""
    return min(64, 1 << (bpf_syscall.possible_cpus() - 1).bit_length())


def _check_pinned(folder: Path) -> None:
    """BCC reopens a pinned map of another shape without a word, so look first."""
    for name, (key, value, _) in MAPS.items():
        if not (folder / name).exists():
            continue
        info = bpf_syscall.map_info(bpf_syscall.open_pin(folder / name))
        if (info.key_size, info.value_size) != (key.itemsize, value.itemsize):
            raise LoadError(
                f"{folder / name}: keys of {info.key_size} and values of {info.value_size} bytes,"
                f" expected {key.itemsize} and {value.itemsize}; remove {folder} (this ends all flows)"
            )


def _open_maps(folder: Path) -> dict[str, bpf_syscall.Map]:
    return {
        name: bpf_syscall.Map(bpf_syscall.open_pin(folder / name), key, value, per_cpu=per_cpu)
        for name, (key, value, per_cpu) in MAPS.items()
    }


def _predecessor(pins: Path, folder: Path) -> dict[str, bpf_syscall.Map] | None:
    others = [path for path in sorted(pins.glob(f"v{LAYOUT_VERSION}-*")) if path != folder]
    complete = [path for path in others if all((path / name).exists() for name in MAPS)]
    return _open_maps(complete[0]) if complete else None


def _open_programs(folder: Path) -> dict[str, int]:
    return {name: bpf_syscall.open_pin(folder / name) for name in (*XDP_PROGRAMS, *TC_PROGRAMS)}


def _link_tail_calls(loaded: Loaded) -> None:
    for table, names in TAIL_CALLS.items():
        for index, name in enumerate(names):
            key: Any = np.array([index], dtype=INDEX)
            loaded.maps[table].put(key, np.array([loaded.programs[name]], dtype=INDEX))
