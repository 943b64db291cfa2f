# SPDX-License-Identifier: Apache-2.0
"""What snatd answers with, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

Document = dict[str, Any]
FlowFilter = Mapping[str, str | int]
"""source, destination, mapped, protocol, rule, state, port."""


class Version(TypedDict):
    """announcement: for who logs in. idle_timeout: minutes, None for never."""

    version: str
    api: int
    host_name: str
    user: str
    role: Literal["view", "operator", "admin"]
    announcement: NotRequired[str | None]
    idle_timeout: NotRequired[int | None]


class Statement(TypedDict):
    verb: Literal["set", "delete"]
    path: list[str]


class Candidate(TypedDict):
    document: Document
    changed: bool


class ProblemRow(TypedDict):
    path: list[str]
    value: str
    reason: str
    severity: Literal["error", "warning"]


class Step(TypedDict):
    doing: str
    milliseconds: float


class Commit(TypedDict):
    number: int
    warnings: list[ProblemRow]
    ended_flows: int
    milliseconds: float
    steps: list[Step]
    scheduled: str


class Waiting(TypedDict):
    """A commit that has to be confirmed."""

    user: str
    comment: str
    minutes: int
    deadline: str
    seconds: float


class Scheduled(TypedDict):
    user: str
    at: str
    comment: str | None


class Notice(TypedDict):
    time: str
    text: str


class Notices(TypedDict):
    """What a console shows before its prompt. last: to be handed back as `after`."""

    host_name: str
    last: int
    notices: list[Notice]
    pending: Waiting | None
    scheduled: Scheduled | None


class EditSession(TypedDict):
    """Another console in configuration mode. text: the same in Junos' words."""

    user: str
    terminal: str
    pid: int
    mode: str
    started: str
    idle: int
    path: list[str]
    text: str


class Entered(TypedDict):
    changed: bool
    others: list[EditSession]


class History(TypedDict):
    entries: list[HistoryEntry]
    pending: Waiting | None
    scheduled: Scheduled | None


class HistoryEntry(TypedDict):
    number: int
    time: str
    user: str
    method: str
    comment: str | None


class Flow(TypedDict):
    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str
    mapped: str
    mapped_port: int
    state: str
    rule: int
    out_interface: str
    redirect: str
    packets_out: int
    bytes_out: int
    packets_in: int
    bytes_in: int
    age: float
    idle: float
    expires: float


class Flows(TypedDict):
    flows: list[Flow]
    total: int
    matched: int
    capacity: int


class AddressUsage(TypedDict):
    address: str
    tcp: int
    udp: int
    icmp: int
    created: int
    exhausted: int


class Active(TypedDict):
    tcp: int
    udp: int
    icmp: int


class PoolRow(TypedDict):
    name: str
    addresses: int
    ports: str
    announce: str
    active: Active
    created: int
    exhausted: int
    usage: list[AddressUsage]


class LinkRow(TypedDict):
    name: str
    interface: str
    next_hop: str
    state: Literal["up", "degraded", "down", "drained"]
    since: str
    reason: str
    ordered: str
    rtt: float | None
    loss: float | None
    failed_over: list[int]


class TargetSeries(TypedDict):
    kind: str
    address: str
    up: bool
    results: list[float | None]


class LinkSeries(TypedDict):
    name: str
    interval: int
    targets: list[TargetSeries]


class LinkChange(TypedDict):
    """before: its state until then, empty for a link that was new."""

    time: str
    link: str
    state: str
    before: str
    reason: str


class LinkOrdered(TypedDict):
    name: str
    state: str
    reason: str


class Reason(TypedDict):
    reason: str
    help: str
    packets: int
    bytes: int


class Drops(TypedDict):
    drops: list[Reason]
    handed_up: list[Reason]


class InterfaceRow(TypedDict):
    """Counters as the kernel has them; none for an interface that is missing."""

    name: str
    index: int
    role: str
    hook: str
    state: str
    mac: str
    mtu: int
    addresses: list[str]
    packets_in: NotRequired[int]
    bytes_in: NotRequired[int]
    packets_out: NotRequired[int]
    bytes_out: NotRequired[int]
    lost: NotRequired[int]


class Talker(TypedDict):
    source: str
    flows: int
    packets: int
    bytes: int
    rate: int


class Subscriber(TypedDict):
    address: str
    sessions: int
    refused: int


class Subscribers(TypedDict):
    """allowed: sessions each may hold, None for any number."""

    subscribers: list[Subscriber]
    total: int
    allowed: int | None


class Verdict(TypedDict):
    verdict: str
    reason: str
    rule: int | None
    ways: str
    pool: str | None
    addresses: list[str]
    out_interface: str
    redirect: str
    next_hop: str
    others: list[dict[str, Any]]


class Trial(TypedDict):
    """What would happen to a packet. candidate: only where it differs from what runs."""

    running: Verdict
    candidate: NotRequired[Verdict]
    flow: dict[str, Any] | None


class TraceEvent(TypedDict):
    """time: seconds since 1970. event: dropped, handed up, opened or translated; address, port: to what."""

    time: float
    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str
    length: int
    ttl: int
    event: str
    reason: str
    rule: int | None
    address: str | None
    port: int


class ProbeAnswer(TypedDict):
    """reached: by the destination itself, not by a router on the way."""

    source: str
    milliseconds: float
    ttl: int
    reached: bool


class FileRow(TypedDict):
    name: str
    size: int
    changed: str


RuleRow = dict[str, Any]
"""number, order, the rule's fields by their names in the profile, flows, created, packets, bytes."""
