# SPDX-License-Identifier: Apache-2.0
"""Test packets, traces and echo probes."""

from __future__ import annotations

from typing import Literal

from snatsh.api.codec import Model

TraceKind = Literal["dropped", "handed up", "opened", "translated"]


class OtherRule(Model, frozen=True):
    """reason: why the rule does not apply."""

    rule: int
    reason: str


class Verdict(Model, frozen=True):
    """What would happen to a packet. redirect: the rule's next hop; empty where routing gives it.

    ways: the links of the rule; empty where it follows the route.
    """

    verdict: str
    reason: str
    rule: int | None
    ways: str
    pool: str | None
    addresses: list[str]
    out_interface: str
    redirect: str
    next_hop: str
    others: list[OtherRule]


class MatchingFlow(Model, frozen=True):
    """The flow that a test packet would belong to."""

    source_port: int
    mapped: str
    mapped_port: int
    rule: int


class PacketTrial(Model, frozen=True):
    """candidate: only where it differs from the running configuration.

    passed_by: what of the host would treat packets otherwise, and is not applied to translated ones.
    """

    running: Verdict
    flow: MatchingFlow | None
    candidate: Verdict | None = None
    passed_by: list[str] = []


class TraceRow(Model, frozen=True):
    """time: seconds since 1970. address, port: what the packet was translated to."""

    time: float
    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str
    length: int
    ttl: int
    event: TraceKind
    reason: str
    rule: int | None
    address: str | None
    port: int


class TraceStarted(Model, frozen=True):
    seconds: int


class Traced(Model, frozen=True):
    """seconds: left until the trace ends."""

    events: list[TraceRow]
    seconds: float


class ProbeAnswer(Model, frozen=True):
    """reached: the destination itself answered, not a router on the way."""

    source: str
    milliseconds: float
    ttl: int
    reached: bool


class ProbeResult(Model, frozen=True):
    """answer: None when nothing came back in time."""

    answer: ProbeAnswer | None
