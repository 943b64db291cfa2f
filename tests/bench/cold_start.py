# SPDX-License-Identifier: Apache-2.0
"""CPU seconds to load the datapath: nothing compiled yet, compiled by an earlier start, and pinned."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from snatsh.datapath.loader import unpin

PINS = Path("/sys/fs/bpf/snatsh-bench-start")
FLOWS = 262_144
LOAD = f"""
from pathlib import Path
from snatsh.datapath.loader import load
load(Path("{PINS}"), {FLOWS})
"""


def main() -> None:
    """Print a line for each kind of start."""
    with tempfile.TemporaryDirectory() as cache:
        try:
            for what, pinned in (("nothing compiled", False), ("compiled before", False), ("pinned", True)):
                if not pinned:
                    unpin(PINS)
                print(f"{what}: {_load(Path(cache)):.1f} s of CPU")
        finally:
            unpin(PINS)


def _load(cache: Path) -> float:
    before = os.times()
    environment = {**os.environ, "CACHE_DIRECTORY": str(cache)}
    subprocess.run([sys.executable, "-c", LOAD], env=environment, check=True)
    after = os.times()
    return (after.children_user + after.children_system) - (before.children_user + before.children_system)


if __name__ == "__main__":
    main()
