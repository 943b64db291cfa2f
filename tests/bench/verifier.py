# SPDX-License-Identifier: Apache-2.0
"""What each program costs the kernel's verifier, by group, the dearest first.

Instructions of the program, steps that the verifier took through it, of 1,000,000 that it permits, and CPU
milliseconds to load it. Programs named on the command line are shown alone.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from snatsh.datapath import bpf_syscall
from snatsh.datapath.bcc.object_code import ObjectCode
from snatsh.datapath.loading import linker
from snatsh.datapath.loading.loader import object_code, source_text
from snatsh.datapath.maps import MAPS, TableSize
from snatsh.datapath.programs import GROUPS, PROGRAMS

PINS = Path("/sys/fs/bpf/snatsh-bench-verifier")
SIZE = TableSize(262_144)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one program."""

    instructions: int
    verified: int
    seconds: float


def main() -> None:
    """Print a line for each program, and the sum of each group."""
    costs = _measure(sys.argv[1:] or PROGRAMS)
    print(f"{'program':<16}{'instructions':>13}{'verified':>10}{'CPU ms':>8}")
    for group, names in GROUPS.items():
        shown = sorted(costs.keys() & set(names), key=lambda name: -costs[name].verified)
        for name in shown:
            _print(name, [costs[name]])
        if shown:
            _print(f"= {group}", [costs[name] for name in shown])


def _print(name: str, costs: list[Cost]) -> None:
    instructions, verified = sum(one.instructions for one in costs), sum(one.verified for one in costs)
    print(f"{name:<16}{instructions:>13,}{verified:>10,}{sum(one.seconds for one in costs) * 1000:>8.0f}")


def _measure(names: list[str] | tuple[str, ...]) -> dict[str, Cost]:
    code = object_code(source_text(), SIZE)
    linker.unpin(PINS)
    PINS.mkdir()
    try:
        maps = {name: linker.shared_map(PINS / name, SIZE) for name in MAPS}
        return {name: _cost(code, name, maps) for name in names}
    finally:
        linker.unpin(PINS)


def _cost(code: ObjectCode, name: str, maps: dict[str, int]) -> Cost:
    before = time.process_time()
    linker.load_programs(code, [name], maps, PINS, PINS)
    seconds = time.process_time() - before
    fd = bpf_syscall.open_pin(PINS / name)
    info = bpf_syscall.program_info(fd)
    os.close(fd)
    return Cost(len(code.programs[name].instructions) // 8, info.verified, seconds)


if __name__ == "__main__":
    main()
