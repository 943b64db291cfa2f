# SPDX-License-Identifier: Apache-2.0
"""What a dashboard shows of the gateway."""

from __future__ import annotations

from msgspec import field

from snatsh.api.codec import Model
from snatsh.api.commits import PendingCommit, ScheduledCommit
from snatsh.api.interfaces import InterfaceSummary
from snatsh.api.links import LinkSummary
from snatsh.api.pools import LivePool
from snatsh.api.system import Alarm


class Speed(Model, frozen=True):
    """Per second; None while there is nothing to compare with."""

    packets: int | None
    bits: int | None


class Traffic(Model, frozen=True):
    """outbound, inbound: on the outside interfaces. translated: by rules, in both directions.

    opened: flows per second.
    """

    inbound: Speed = field(name="in")
    outbound: Speed = field(name="out")
    translated: Speed
    opened: float | None


class ReasonRate(Model, frozen=True):
    """rate: packets per second."""

    reason: str
    packets: int
    rate: float | None


class ProcessorLoad(Model, frozen=True):
    """Percent of the CPUs' time spent on packets: of all together, and of the busiest."""

    average: float | None
    busiest: float | None
    cpus: int | None


class Overview(Model, frozen=True):
    """seconds: between the two readings that rates are made of."""

    seconds: float | None
    traffic: Traffic
    flows: int
    capacity: int
    drops: list[ReasonRate]
    handed_up: list[ReasonRate]
    processor: ProcessorLoad
    pools: list[LivePool]
    interfaces: list[InterfaceSummary]
    alarms: list[Alarm]
    host_name: str
    links: list[LinkSummary]
    pending: PendingCommit | None
    scheduled: ScheduledCommit | None
