# SPDX-License-Identifier: Apache-2.0
"""What runs in the kernel before snatd has opened it, read without changing anything."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyroute2 import IPRoute

from snatsh.datapath import bpf_syscall
from snatsh.datapath.hooks.netlink_hooks import our_filters
from snatsh.datapath.layout import INDEX
from snatsh.datapath.loading import commit_mark, loader, recovery
from snatsh.datapath.loading.commit_mark import CommitMark


@dataclass(frozen=True, slots=True)
class Pinned:
    """generation: of the newest maps, 0 before the first commit, None where they cannot be read.

    hooks: interfaces that have filters of ours. mark: the commit that runs, None if it was not noted.
    """

    pins: Path
    generation: int | None
    hooks: tuple[str, ...]
    mark: CommitMark | None

    @property
    def runs(self) -> bool:
        """Whether a configuration is in force."""
        return self.generation != 0 or bool(self.hooks)

    def __str__(self) -> str:
        of = "of another version" if self.generation is None else f"with generation {self.generation}"
        commit = f", commit {self.mark.serial}" if self.mark and self.mark.serial else ""
        hooks = f"hooks on {', '.join(self.hooks)}" if self.hooks else "no hooks"
        pins = f"no pins in {self.pins}" if self.generation == 0 else f"pins in {self.pins} {of}{commit}"
        return f"{pins}, and {hooks}"


def look(pins: Path) -> Pinned:
    """Report what is pinned below `pins` and attached in this network namespace."""
    return Pinned(pins, _generation(pins), _hooks(), commit_mark.read(pins))


def _generation(pins: Path) -> int | None:
    known = loader.of_this_layout(pins)
    generations = [
        _read_generation(path / "control") if path in known else None
        for path in loader.complete_versions(pins)
        if (path / "control").exists()
    ]
    newest = max((known for known in generations if known is not None), default=0)
    return newest or (None if None in generations else 0)


def _read_generation(pin: Path) -> int | None:
    key: Any = np.zeros(1, dtype=INDEX)
    with suppress(OSError):
        fd = bpf_syscall.open_pin(pin)
        try:
            control: Any = recovery.opened("control", fd).get(key)
            return int(control["generation"])
        finally:
            os.close(fd)
    return None


def _hooks() -> tuple[str, ...]:
    with IPRoute() as netlink:
        links = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in netlink.get_links()}
        return tuple(name for index, name in links.items() if our_filters(netlink, index))
