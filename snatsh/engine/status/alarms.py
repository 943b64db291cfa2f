# SPDX-License-Identifier: Apache-2.0
"""Alarms: conditions of the gateway that need attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from snatsh.api.interfaces import InterfaceSummary
from snatsh.api.system import Alarm, AlarmClass
from snatsh.engine.config.commit import Plan
from snatsh.engine.config.confirm import UnconfirmedCommit
from snatsh.engine.host.announcer import AddressConflict, describe
from snatsh.engine.links.manager import LinkState
from snatsh.engine.pools.usage import PoolUse
from snatsh.model.validate.box import BoxFinding

CLASSES: tuple[AlarmClass, ...] = ("major", "minor")
"""The most severe first, which is the order of the alarms."""

_SHOWN_CONFLICTS = 5

FULL = 0.9
"""Share from which a table or a pool raises an alarm."""


@dataclass(frozen=True, slots=True)
class AlarmInputs:
    """damaged: unusable entries of the history. fallback: what runs in place of newer, unusable ones.
    set_aside: damaged records of the state folder. pins: what is wrong with the pins.
    conflicts: pool addresses that other stations have.

    interfaces: rows of the configured interfaces. forwarding: whether the host forwards.
    box: what of the host translated packets pass by.
    """

    plan: Plan
    flows: int
    capacity: int
    pools: Sequence[PoolUse]
    interfaces: Sequence[InterfaceSummary]
    links: Mapping[str, LinkState]
    damaged: int
    pending: UnconfirmedCommit | None
    fallback: str = ""
    set_aside: Sequence[str] = ()
    pins: str = ""
    conflicts: Sequence[AddressConflict] = ()
    forwarding: bool = True
    box: Sequence[BoxFinding] = ()


def alarm_rows(inputs: AlarmInputs) -> list[Alarm]:
    """List the alarms, the most severe first."""
    found = [
        *_datapath_alarms(inputs),
        *_interface_alarms(inputs),
        *_box_alarms(inputs.box),
        *_conflict_alarms(inputs.conflicts),
        *_pool_alarms(inputs.pools),
        *_link_alarms(inputs.links),
        *_configuration_alarms(inputs),
    ]
    return sorted(found, key=lambda alarm: CLASSES.index(alarm.severity))


def _datapath_alarms(inputs: AlarmInputs) -> Iterator[Alarm]:
    if inputs.flows >= FULL * inputs.capacity:
        yield Alarm("major", f"the flow table holds {inputs.flows:,} of {inputs.capacity:,}")
    if inputs.pins:
        yield Alarm("major", inputs.pins)
    if _disabled(inputs):
        yield Alarm("minor", "the datapath is disabled by configuration")


def _interface_alarms(inputs: AlarmInputs) -> Iterator[Alarm]:
    for row in inputs.interfaces:
        if row.state != "up":
            yield Alarm("major", f"interface {row.name} is {row.state}")
        elif row.fault and not _disabled(inputs):
            yield Alarm("major", f"interface {row.name} runs {row.fault}, not the current programs of snatsh")
        elif not row.hook and not _disabled(inputs):
            yield Alarm("major", f"interface {row.name} has no hook: its traffic is not translated")
    if not inputs.forwarding:
        yield Alarm("major", "ip_forward is off: nothing is forwarded")


def _box_alarms(found: Sequence[BoxFinding]) -> Iterator[Alarm]:
    for finding in found:
        if finding.alarm:
            yield Alarm(finding.alarm, f"{finding}")


def _conflict_alarms(conflicts: Sequence[AddressConflict]) -> Iterator[Alarm]:
    for conflict in conflicts[:_SHOWN_CONFLICTS]:
        yield Alarm("major", describe(conflict))
    if len(conflicts) > _SHOWN_CONFLICTS:
        more = len(conflicts) - _SHOWN_CONFLICTS
        yield Alarm("major", f"{more:,} more pool addresses are in use by other stations")


def _pool_alarms(pools: Sequence[PoolUse]) -> Iterator[Alarm]:
    for pool in pools:
        if pool.share >= FULL:
            yield Alarm("major", f"pool {pool.name} has {pool.used:,} of {pool.room:,} ports in use")
        elif pool.exhausted:
            yield Alarm("minor", f"pool {pool.name} had no port left {pool.exhausted:,} times")


def _link_alarms(links: Mapping[str, LinkState]) -> Iterator[Alarm]:
    for name, link in sorted(links.items()):
        if link.state != "up":
            severity: AlarmClass = "major" if link.state == "down" else "minor"
            yield Alarm(severity, f"link {name} is {link.state}: {link.reason}")


def _configuration_alarms(inputs: AlarmInputs) -> Iterator[Alarm]:
    if inputs.fallback:
        yield Alarm("major", f"history: {inputs.fallback}")
    elif inputs.damaged:
        yield Alarm("minor", f"{inputs.damaged} entries of the history are damaged")
    for record in inputs.set_aside:
        yield Alarm("major", record)
    if inputs.pending is not None:
        yield Alarm("minor", f"a commit by {inputs.pending.by} is not confirmed")


def _disabled(inputs: AlarmInputs) -> bool:
    return inputs.plan.profile.system.datapath == "disabled"
