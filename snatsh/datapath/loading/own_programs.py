# SPDX-License-Identifier: Apache-2.0
"""Programs of snatsh that are in the kernel already: pinned, or attached without a pin.

A pin can be lost while the program stays attached. So a program is known by its name and the maps it uses.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from snatsh.datapath import bpf_syscall, maps
from snatsh.datapath.hooks import netlink_hooks
from snatsh.datapath.programs import PROGRAMS

_OLDER_MAPS = frozenset({"control", "settings"})
"""By these the programs of versions are known that did not mark their map yet."""


class OwnPrograms:
    """File descriptors and names by program id. attached: those on interfaces of this network namespace.

    is_attached: whether there are any, known or not.
    """

    def __init__(self, pins: Iterable[Path] = ()) -> None:
        self._descriptors: dict[int, int] = {}
        self.names: dict[int, str] = {}
        for path in pins:
            with suppress(OSError):  # unpinned meanwhile
                self._keep(bpf_syscall.open_pin(path), path.name)
        self.attached: frozenset[int] = frozenset()
        self.is_attached = False

    def find_attached(self) -> None:
        """Look for those on interfaces. Without CAP_SYS_ADMIN, one that is not pinned is not found."""
        frames, filtered = netlink_hooks.attached_programs()
        for number in (frames | filtered) - self.names.keys():
            with suppress(OSError):
                fd = bpf_syscall.program_by_id(number)
                self._keep(fd, bpf_syscall.program_info(fd).name)
                if number in frames and not _is_ours(bpf_syscall.program_info(fd)):
                    self._drop(number)
        self.attached = (frames | filtered) & self.names.keys()
        self.is_attached = bool(self.attached | filtered)

    def descriptor(self, number: int) -> int:
        return self._descriptors[number]

    def close(self) -> None:
        """Let go of them: what is not attached or pinned any more is freed."""
        for number in list(self._descriptors):
            self._drop(number)

    def _keep(self, fd: int, name: str) -> None:
        number = bpf_syscall.program_id(fd)
        if number in self._descriptors:
            os.close(fd)
            return
        self._descriptors[number], self.names[number] = fd, name

    def _drop(self, number: int) -> None:
        os.close(self._descriptors.pop(number))
        self.names.pop(number)


def _is_ours(program: bpf_syscall.ProgramInfo) -> bool:
    return program.name in PROGRAMS and _are_ours(frozenset(_map_names(program.maps)))


def _are_ours(names: frozenset[str]) -> bool:
    return names >= _OLDER_MAPS or any(name.startswith(maps.MARK) for name in names)


def _map_names(numbers: Iterable[int]) -> Iterable[str]:
    for number in numbers:
        fd = bpf_syscall.map_by_id(number)
        try:
            yield bpf_syscall.map_info(fd).name
        finally:
            os.close(fd)
