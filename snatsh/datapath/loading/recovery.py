# SPDX-License-Identifier: Apache-2.0
"""The maps that attached programs use, whether their pins are there or not.

They tell which flow table is in use. Lost pins cost no flows: a map lives as long as a program that uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snatsh.datapath import bpf_syscall, maps
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.layout import INDEX
from snatsh.datapath.loading.own_programs import OwnPrograms
from snatsh.datapath.maps import MAPS
from snatsh.datapath.programs import TAIL_CALLS

_TABLE = "records"
"""The map that a flow table is known by, and the one that its flows can be read from."""


@dataclass(frozen=True, slots=True)
class MapSet:
    """Maps of one flow table by name; some may be lost. folder: of its pins, None where none is left."""

    maps: dict[str, Map]
    folder: Path | None

    @property
    def has_flows(self) -> bool:
        return _TABLE in self.maps

    def close(self) -> None:
        for held in self.maps.values():
            os.close(held.fd)


def pinned_set(folder: Path) -> MapSet:
    """The maps that are pinned in a folder and have the shape they should have."""
    found = {}
    for name in MAPS:
        with suppress(OSError):
            held = opened(name, bpf_syscall.open_pin(folder / name))
            if is_of_shape(name, held):
                found[name] = held
            else:
                os.close(held.fd)
    return MapSet(found, folder)


def opened(name: str, fd: int) -> Map:
    definition = MAPS[name]
    return Map(fd, definition.key, definition.value, per_cpu=definition.per_cpu)


def is_of_shape(name: str, held: Map) -> bool:
    """Whether a map has the kind and sizes of this one; its room may differ."""
    definition, info = MAPS[name], held.info
    return (info.kind, info.key_size, info.value_size, info.flags & ~maps.RDONLY_PROG) == (
        maps.MAP_TYPES[definition.kind],
        definition.key.itemsize,
        definition.value.itemsize,
        definition.flags,
    )


def sets_in_use(own: OwnPrograms, folders: Iterable[Path]) -> list[MapSet]:
    """The map sets of this layout that the attached programs use. Several, where a takeover was interrupted.

    Without CAP_SYS_ADMIN a map is found by its pin only.
    """
    pins = dict(_pinned_ids(folders))
    sets: dict[int, MapSet] = {}
    for number in sorted(own.attached):
        held = _maps_of(own.descriptor(number), pins)
        if _TABLE not in held:
            MapSet(held, None).close()
            continue
        folder = next((pins[one.info.id].parent for one in held.values() if one.info.id in pins), None)
        known = sets.setdefault(held[_TABLE].info.id, MapSet({}, folder))
        for name, one in held.items():
            if known.maps.setdefault(name, one) is not one:
                os.close(one.fd)
    return [_with_pins(one) for one in sets.values()]


def _with_pins(found: MapSet) -> MapSet:
    """With those that only unattached programs use, as far as they are pinned."""
    if found.folder is not None:
        for name, one in pinned_set(found.folder).maps.items():
            if found.maps.setdefault(name, one) is not one:
                os.close(one.fd)
    return found


def _pinned_ids(folders: Iterable[Path]) -> Iterator[tuple[int, Path]]:
    for folder in folders:
        for name in MAPS:
            with suppress(OSError):
                fd = bpf_syscall.open_pin(folder / name)
                yield bpf_syscall.map_info(fd).id, folder / name
                os.close(fd)


def _maps_of(program: int, pins: dict[int, Path]) -> dict[str, Map]:
    """Maps of this layout that a program and those it tail-calls use; none where it is of another layout."""
    found: dict[str, Map] = {}
    seen: set[int] = set()
    queue = [os.dup(program)]
    while queue:
        fd = queue.pop()
        for number in set(bpf_syscall.program_info(fd).maps) - seen:
            seen.add(number)
            with suppress(OSError):
                pin = pins.get(number)
                _keep(found, bpf_syscall.open_pin(pin) if pin else bpf_syscall.map_by_id(number))
        os.close(fd)
        queue += [one for name in TAIL_CALLS if name in found for one in _called(found.pop(name))]
    if found and maps.kernel_name("control") not in {one.info.name for one in found.values()}:
        MapSet(found, None).close()
        return {}
    return found


def _keep(found: dict[str, Map], fd: int) -> None:
    kernel_name = bpf_syscall.map_info(fd).name
    name = next((name for name in MAPS if maps.kernel_name(name) == kernel_name), None)
    if name is None or name in found or not is_of_shape(name, opened(name, fd)):
        os.close(fd)
        return
    found[name] = opened(name, fd)


def _called(table: Map) -> Iterator[int]:
    """File descriptors of the programs in a map of programs, which empties when its last pin is gone."""
    for index in range(table.info.max_entries):
        with suppress(OSError):
            number = table.get(np.array([index], dtype=INDEX))
            if number is not None:
                yield bpf_syscall.program_by_id(int(number))
    os.close(table.fd)
