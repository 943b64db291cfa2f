# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole: what it uses, how long it runs, and what somebody should look at."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snatsh.engine.pools.usage import PoolUse

if TYPE_CHECKING:
    from snatsh.engine.engine import Engine

Row = dict[str, Any]

FULL = 0.9
"""From this share on, a table or a pool is worth an alarm."""

_STARTED = time.monotonic()


def resources(engine: Engine, flows: int) -> Row:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    memory = _memory()
    disk = os.statvfs(engine.store.folder)
    maps = engine.datapath.memory()
    return {
        "flows": flows,
        "flow_capacity": engine.datapath.max_flows,
        "bytes_per_flow": round(maps.per_flow),
        "map_memory": maps.maps,
        "daemon_memory": _resident(),
        "daemon_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "load": [round(value, 2) for value in os.getloadavg()],
        "cpus": os.cpu_count(),
        "memory_total": memory.get("MemTotal", 0),
        "memory_available": memory.get("MemAvailable", 0),
        "state_disk_free": disk.f_bavail * disk.f_frsize,
        "state_disk_total": disk.f_blocks * disk.f_frsize,
    }


def uptime(engine: Engine) -> Row:
    entries = engine.store.entries()
    return {
        "now": datetime.now(UTC).isoformat(timespec="seconds"),
        "box_seconds": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
        "daemon_seconds": round(time.monotonic() - _STARTED),
        "committed": entries[0].metadata.time.isoformat(timespec="seconds") if entries else None,
        "committed_by": entries[0].metadata.user if entries else None,
        "generation": engine.datapath.generation,
    }


def alarms(engine: Engine, flows: int, pools: list[PoolUse], interfaces: list[Row]) -> list[Row]:
    """What is wrong, the worst first."""
    found = [*_datapath_alarms(engine, flows, interfaces), *_pool_alarms(pools)]
    for name, link in sorted(engine.links.states.items()):
        if link.state != "up":
            found.append(
                _alarm(
                    "major" if link.state == "down" else "minor",
                    f"link {name} is {link.state}: {link.reason}",
                )
            )
    if engine.store.damaged:
        found.append(_alarm("minor", f"{len(engine.store.damaged)} entries of the history are damaged"))
    if engine.confirmation.pending is not None:
        found.append(_alarm("minor", f"a commit by {engine.confirmation.pending.user} is not confirmed"))
    return sorted(found, key=lambda alarm: alarm["class"])


def _datapath_alarms(engine: Engine, flows: int, interfaces: list[Row]) -> Iterator[Row]:
    if flows >= FULL * engine.datapath.max_flows:
        yield _alarm("major", f"the flow table holds {flows:,} of {engine.datapath.max_flows:,}")
    disabled = engine.running.profile.system.datapath == "disabled"
    if disabled:
        yield _alarm("minor", "the datapath is disabled by configuration")
    for row in interfaces:
        if row["state"] != "up":
            yield _alarm("major", f"interface {row['name']} is {row['state']}")
        elif not row["hook"] and not disabled:
            yield _alarm("major", f"interface {row['name']} has no hook: its traffic is not translated")
    if not engine.running.facts.forwarding:
        yield _alarm("major", "ip_forward is off: nothing is forwarded")


def _pool_alarms(pools: list[PoolUse]) -> Iterator[Row]:
    for pool in pools:
        if pool.share >= FULL:
            yield _alarm("major", f"pool {pool.name} has {pool.used:,} of {pool.room:,} ports in use")
        elif pool.exhausted:
            yield _alarm("minor", f"pool {pool.name} had no port left {pool.exhausted:,} times")


def _alarm(kind: str, text: str) -> Row:
    return {"class": kind, "text": text}


def _memory() -> dict[str, int]:
    found = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        found[name] = int(value.split()[0]) * 1024
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
