# SPDX-License-Identifier: Apache-2.0
"""CPU seconds to load the datapath: nothing compiled yet, compiled by an earlier start, and pinned.

With TC on all interfaces, and with the programs of XDP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from snatsh.datapath.loading.linker import unpin

PINS = Path("/sys/fs/bpf/snatsh-bench-start")
FLOWS = 262_144
LOAD = f"""
import sys
from pathlib import Path
from snatsh.datapath.loading.loader import load
load(Path("{PINS}"), {FLOWS}).programs.require(*sys.argv[1:])
"""
STARTS = (("nothing compiled", False), ("compiled before", False), ("pinned", True))


def main() -> None:
    """Print a line for each hook and kind of start."""
    try:
        for hook in ("tc", "xdp"):
            with tempfile.TemporaryDirectory() as cache:
                for what, is_pinned in STARTS:
                    if not is_pinned:
                        unpin(PINS)
                    print(f"{hook}, {what}: {_load(hook, Path(cache)):.1f} s of CPU", flush=True)
    finally:
        unpin(PINS)


def _load(hook: str, cache: Path) -> float:
    before = os.times()
    environment = {**os.environ, "CACHE_DIRECTORY": str(cache)}
    subprocess.run([sys.executable, "-c", LOAD, hook], env=environment, check=True)
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


if __name__ == "__main__":
    main()
