# SPDX-License-Identifier: Apache-2.0
"""Mutated packets: nothing leaks, no checksum breaks, the datapath never contradicts itself.

As a program (`make fuzz`) it runs for the given time.
"""

from __future__ import annotations

import sys
import time

from tests.kernel.fuzzing import Fuzz
from tests.kernel.rig import Rig, rig

SHORT = 12_000
LONG = 10_000_000


def test_fuzzing_finds_no_fault(gateway: Rig) -> None:
    gateway.end_flows()
    gateway.datapath.clear_counters()
    fuzz = Fuzz(gateway, seed=1)
    fuzz.run(SHORT)
    assert not fuzz.problems, "\n".join(fuzz.problems[:5])
    assert gateway.datapath.drops()["internal"].packets == 0
    assert fuzz.outcomes["out"] > SHORT // 50, "it reaches what it is for"
    assert fuzz.outcomes["in"] > SHORT // 50
    assert fuzz.outcomes["kept"] > SHORT // 50


def main(packets: int) -> int:
    """Both hooks in turn, `packets` in all. Prints the first problems; their number is the exit status."""
    wrong = 0
    for hook in ("xdp", "tc", "tc-egress"):
        begun = time.monotonic()
        with rig(hook, max_flows=65_536) as gateway:
            fuzz = Fuzz(gateway, seed=time.time_ns())
            fuzz.run(packets // 3)
            internal = gateway.datapath.drops()["internal"].packets
        seconds = time.monotonic() - begun
        print(
            f"{hook}: {packets // 3:,} packets in {seconds:.0f} s: {fuzz.outcomes}; internal drops {internal}"
        )
        print("\n".join(fuzz.problems[:10]), end="")
        wrong += len(fuzz.problems) + internal
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else LONG))
