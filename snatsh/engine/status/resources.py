# SPDX-License-Identifier: Apache-2.0
"""CPU, memory and disk of snatd and its host, as the kernel accounts for them."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from snatsh.api.system import Resources

_STARTED = time.monotonic()


def daemon_seconds() -> int:
    """Seconds since snatd started."""
    return round(time.monotonic() - _STARTED)


def host_seconds() -> int:
    """Seconds since the host booted."""
    return round(time.clock_gettime(time.CLOCK_BOOTTIME))


def usage(folder: Path, flows: int, capacity: int, bytes_per_flow: int, map_memory: int) -> Resources:
    """Return what is in use. folder: where the state is kept."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    memory = _memory()
    disk = os.statvfs(folder)
    return Resources(
        flows=flows,
        flow_capacity=capacity,
        bytes_per_flow=bytes_per_flow,
        map_memory=map_memory,
        daemon_memory=int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(),
        daemon_cpu_seconds=round(own.ru_utime + own.ru_stime, 1),
        load=[round(value, 2) for value in os.getloadavg()],
        cpus=os.cpu_count(),
        memory_total=memory.get("MemTotal", 0),
        memory_available=memory.get("MemAvailable", 0),
        state_disk_free=disk.f_bavail * disk.f_frsize,
        state_disk_total=disk.f_blocks * disk.f_frsize,
    )


def _memory() -> dict[str, int]:
    """Read /proc/meminfo, in bytes."""
    found = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        found[name] = int(value.split()[0]) * 1024
    return found
