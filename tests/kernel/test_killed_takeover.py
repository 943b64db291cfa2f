# SPDX-License-Identifier: Apache-2.0
"""A snatd killed while a flow table of another size takes over leaves all flows to the next one."""

from __future__ import annotations

import signal
import subprocess
import sys

from snatsh.datapath.flow_table import FlowTable
from snatsh.datapath.loading import loader
from snatsh.datapath.loading.own_programs import OwnPrograms
from snatsh.datapath.loading.recovery import sets_in_use
from tests.kernel.frames import from_inside, udp
from tests.kernel.rig import Rig, rig

RULES = {
    "pools": {"a": {"address": ["1.1.2.100"]}},
    "rules": {"10": {"pool": "a"}},
    "timeouts": {"udp": {"unreplied": 3600}},
}
FLOWS, SIZE = 20, 8192

TAKEOVER = """
import importlib, os, signal, sys
from pathlib import Path
from snatsh.lab.namespaces import Namespace
from tests.kernel.rig import Rig
from tests.kernel.test_killed_takeover import RULES, SIZE

name, pins, where, call = sys.argv[1:]
module, _, path = where.partition(":")
owner = importlib.import_module(module)
*parents, last = path.split(".")
for parent in parents:
    owner = getattr(owner, parent)
original, left = getattr(owner, last), int(call)


def counted(*arguments, **named):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)


setattr(owner, last, counted)
namespace = Namespace("gw", name)
with namespace.entered():
    gateway = Rig(namespace, Path(pins), "xdp", SIZE)
    gateway.datapath.prune(gateway.commit(RULES).hooks)
"""

# What it is killed at, and at which call. In this order each finds what the one before left.
STEPS = {
    "half of the maps": ("snatsh.datapath.loading.linker:shared_map", 15),
    "the first flows": ("snatsh.datapath.flow_table:FlowTable.adopt", 1),
    "after the new name": ("snatsh.datapath.hooks.attach:Attacher.ensure", 1),
    "between two interfaces": ("snatsh.datapath.hooks.attach:Attacher._attach", 2),
    "the flows opened meanwhile": ("snatsh.datapath.loading.flow_migration:copy_flows", 1),
    "before the old pins go": ("snatsh.datapath.loading.loader:remove_others", 1),
}


def killed_at(gateway: Rig, step: str) -> None:
    where, call = STEPS[step]
    pins = str(gateway.datapath.pins)
    done = subprocess.run(
        [sys.executable, "-c", TAKEOVER, gateway.namespace.name, pins, where, str(call)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, f"{step}: not reached: {done.stderr}"


def gauges(gateway: Rig) -> tuple[int, int, int]:
    usage, subscriber = gateway.datapath.address_usage(), gateway.subscriber()
    return int(usage["udp"].sum()), subscriber["sessions"], subscriber["half_open"]


def test_takeover_killed_at_any_step_keeps_flows_and_gauges() -> None:
    with rig("xdp") as gateway:
        gateway.commit(RULES)
        for port in range(FLOWS):
            gateway.outbound(from_inside(udp(5000 + port, 53)))
        assert gauges(gateway) == (FLOWS, FLOWS, FLOWS)
        pins = gateway.datapath.pins
        (pins / f"{next(pins.glob('v*-*')).name.rpartition('-')[0]}-1234").mkdir()  # holds nothing
        for step in STEPS:
            killed_at(gateway, step)
            assert flows_in_use(gateway) == FLOWS, step
        again = Rig(gateway.namespace, pins, "xdp", SIZE)
        again.datapath.prune(again.commit(RULES).hooks)
        assert len(again.datapath.flows()) == FLOWS
        assert gauges(again) == (FLOWS, FLOWS, FLOWS)
        assert [path.name.rpartition("-")[2] for path in pins.iterdir()] == [str(SIZE)]
        again.end_flows()
        assert gauges(again) == (0, 0, 0)
        assert all(standing.is_current for standing in again.datapath.standing())
        again.datapath.remove()


def flows_in_use(gateway: Rig) -> int:
    """Flows of the attached programs, as the next snatd finds them."""
    pins = gateway.datapath.pins
    own = OwnPrograms(loader.program_pins(pins))
    own.find_attached()
    sets = sets_in_use(own, loader.versions(pins))
    try:
        return max(len(FlowTable(one.maps, {})) for one in sets)
    finally:
        for one in sets:
            one.close()
        own.close()
