# SPDX-License-Identifier: Apache-2.0
"""The programs of one source text over one set of maps, loaded group by group as they are needed.

`programs-<hash>/` beside the maps has their pins, `private-<hash>/` those of the maps that only they use.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from snatsh.datapath import bpf_syscall
from snatsh.datapath.bcc.object_code import ObjectCode
from snatsh.datapath.bpf_syscall import Map
from snatsh.datapath.errors import DatapathError, LoadError
from snatsh.datapath.layout import INDEX
from snatsh.datapath.loading import linker
from snatsh.datapath.programs import GROUPS, TAIL_CALLS, Group

_PROGRAMS, _PRIVATE = "programs-", "private-"


class ProgramSet(Mapping[str, int]):
    """File descriptors by name, of the groups that are loaded. Those that are pinned are taken up at once."""

    def __init__(
        self, folder: Path, text: str, maps: Mapping[str, Map], code: Callable[[], ObjectCode]
    ) -> None:
        """folder: of the maps. code: compiles the text, or finds it compiled."""
        self.folder = folder
        self.names: dict[int, str] = {}  # by program id
        self._hash = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._maps = maps
        self._code = code
        self._descriptors: dict[str, int] = {}
        for group in GROUPS:
            if self._is_pinned(group):
                self._take_up(group)

    def __getitem__(self, name: str) -> int:
        return self._descriptors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._descriptors)

    def __len__(self) -> int:
        return len(self._descriptors)

    def has(self, *groups: Group) -> bool:
        return all(name in self._descriptors for group in groups for name in GROUPS[group])

    def require(self, *groups: Group) -> None:
        """Load and pin what is missing of these groups. LoadError, with nothing of a failed one left."""
        missing = [group for group in groups if not self.has(group)]
        code = self._code() if missing else None
        for group in missing:
            if code is not None:
                self._load(group, code)
            self._take_up(group)

    @property
    def are_pinned(self) -> bool:
        """Whether the pins of the maps and of all programs loaded are still there."""
        pins = [*(self.folder / name for name in self._maps), *(self._pins / name for name in self)]
        return all(pin.exists() for pin in pins)

    def remove_others(self) -> None:
        """Unpin the programs of other source texts."""
        for prefix, kept in ((_PROGRAMS, self._pins), (_PRIVATE, self._private_pins)):
            for folder in self.folder.glob(f"{prefix}*"):
                if folder != kept:
                    linker.unpin(folder)

    @property
    def _pins(self) -> Path:
        return self.folder / f"{_PROGRAMS}{self._hash}"

    @property
    def _private_pins(self) -> Path:
        return self.folder / f"{_PRIVATE}{self._hash}"

    def _is_pinned(self, group: Group) -> bool:
        return all((self._pins / name).exists() for name in GROUPS[group])

    def _load(self, group: Group, code: ObjectCode) -> None:
        names = GROUPS[group]
        self._unpin(names)  # what is left of a group whose pins were lost in part
        try:
            for folder in (self._pins, self._private_pins):
                folder.mkdir(mode=0o700, exist_ok=True)
            maps = {name: held.fd for name, held in self._maps.items()}
            linker.load_programs(code, names, maps, self._pins, self._private_pins)
        except (DatapathError, OSError) as error:
            self._unpin(names)
            if isinstance(error, LoadError):
                raise
            release = os.uname().release
            raise LoadError(f"the datapath does not load on this kernel ({release}): {error}") from error

    def _unpin(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(OSError):  # whatever stays there is told by the pin that fails
                (self._pins / name).unlink()

    def _take_up(self, group: Group) -> None:
        """Open the pins of a group and link those that others tail-call."""
        for name in GROUPS[group]:
            fd = bpf_syscall.open_pin(self._pins / name)
            self._descriptors[name] = fd
            self.names[bpf_syscall.program_id(fd)] = name
        for table, called in TAIL_CALLS.items():
            for index, name in enumerate(called):
                if name in GROUPS[group]:
                    key: Any = np.array([index], dtype=INDEX)
                    self._maps[table].put(key, np.array([self._descriptors[name]], dtype=INDEX))


def pinned_programs(folder: Path) -> list[Path]:
    """Return the pinned programs of all source texts over the maps of a folder."""
    return sorted(folder.glob(f"{_PROGRAMS}*/*"))
