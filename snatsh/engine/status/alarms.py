# SPDX-License-Identifier: Apache-2.0
"""Alarms: conditions of the gateway that need attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from snatsh.engine.config.commit import Plan
from snatsh.engine.config.confirm import UnconfirmedCommit
from snatsh.engine.links.manager import LinkState
from snatsh.engine.pools.usage import PoolUse

Row = dict[str, Any]
AlarmClass = Literal["major", "minor"]

CLASSES: tuple[AlarmClass, ...] = ("major", "minor")
"""The most severe first, which is the order of the alarms."""

FULL = 0.9
"""Share from which a table or a pool raises an alarm."""


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    severity: AlarmClass
    text: str


@dataclass(frozen=True, slots=True)
class AlarmInputs:
    """damaged: unusable entries of the history. interfaces: rows of the configured interfaces."""

    plan: Plan
    flows: int
    capacity: int
    pools: Sequence[PoolUse]
    interfaces: Sequence[Row]
    links: Mapping[str, LinkState]
    damaged: int
    pending: UnconfirmedCommit | None


def alarm_rows(inputs: AlarmInputs) -> list[Row]:
    """List the alarms, the most severe first."""
    found = [
        *_datapath_alarms(inputs),
        *_interface_alarms(inputs),
        *_pool_alarms(inputs.pools),
        *_link_alarms(inputs.links),
        *_configuration_alarms(inputs),
    ]
    ordered = sorted(found, key=lambda alarm: CLASSES.index(alarm.severity))
    return [{"class": alarm.severity, "text": alarm.text} for alarm in ordered]


def _datapath_alarms(inputs: AlarmInputs) -> Iterator[RaisedAlarm]:
    if inputs.flows >= FULL * inputs.capacity:
        yield RaisedAlarm("major", f"the flow table holds {inputs.flows:,} of {inputs.capacity:,}")
    if _disabled(inputs):
        yield RaisedAlarm("minor", "the datapath is disabled by configuration")


def _interface_alarms(inputs: AlarmInputs) -> Iterator[RaisedAlarm]:
    for row in inputs.interfaces:
        if row["state"] != "up":
            yield RaisedAlarm("major", f"interface {row['name']} is {row['state']}")
        elif not row["hook"] and not _disabled(inputs):
            yield RaisedAlarm("major", f"interface {row['name']} has no hook: its traffic is not translated")
    if not inputs.plan.facts.forwarding:
        yield RaisedAlarm("major", "ip_forward is off: nothing is forwarded")


def _pool_alarms(pools: Sequence[PoolUse]) -> Iterator[RaisedAlarm]:
    for pool in pools:
        if pool.share >= FULL:
            yield RaisedAlarm("major", f"pool {pool.name} has {pool.used:,} of {pool.room:,} ports in use")
        elif pool.exhausted:
            yield RaisedAlarm("minor", f"pool {pool.name} had no port left {pool.exhausted:,} times")


def _link_alarms(links: Mapping[str, LinkState]) -> Iterator[RaisedAlarm]:
    for name, link in sorted(links.items()):
        if link.state != "up":
            severity: AlarmClass = "major" if link.state == "down" else "minor"
            yield RaisedAlarm(severity, f"link {name} is {link.state}: {link.reason}")


def _configuration_alarms(inputs: AlarmInputs) -> Iterator[RaisedAlarm]:
    if inputs.damaged:
        yield RaisedAlarm("minor", f"{inputs.damaged} entries of the history are damaged")
    if inputs.pending is not None:
        yield RaisedAlarm("minor", f"a commit by {inputs.pending.user} is not confirmed")


def _disabled(inputs: AlarmInputs) -> bool:
    return inputs.plan.profile.system.datapath == "disabled"
