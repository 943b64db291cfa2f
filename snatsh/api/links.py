# SPDX-License-Identifier: Apache-2.0
"""Links: their state, the results of their probes, and changes of state."""

from __future__ import annotations

from typing import Literal

from snatsh.api.codec import Model
from snatsh.api.fields import Field, FieldTable, Unit

LinkStatus = Literal["up", "degraded", "down", "drained"]
LinkOrder = Literal["up", "down", "drain"]

LINK_FIELDS = FieldTable(
    Field("name", "Link", rising=True),
    Field("interface", "Interface", rising=True),
    Field("next_hop", "Next hop", rising=True),
    Field("state", "State", rising=True),
    Field("since", "Since", Unit.TIME),
    Field("rtt", "RTT", Unit.MILLISECONDS),
    Field("loss", "Loss", Unit.PERCENT),
    Field("failed_over", "Failed over", sortable=False),
    Field("reason", "Reason", sortable=False),
)


class LinkRow(Model, frozen=True):
    """ordered: the user who set the state by hand, or empty. failed_over: rules that go elsewhere.

    rtt: mean milliseconds, loss: percent; None while too few probes were sent.
    """

    name: str
    interface: str
    next_hop: str
    state: LinkStatus
    since: str
    reason: str
    ordered: str
    rtt: float | None
    loss: float | None
    failed_over: list[int]


class LinkList(Model, frozen=True):
    links: list[LinkRow]


class LinkSummary(Model, frozen=True):
    name: str
    state: LinkStatus


class TargetSeries(Model, frozen=True):
    """results: round-trip milliseconds, oldest first; None for a lost probe."""

    kind: str
    address: str
    up: bool
    results: list[float | None]


class LinkSeries(Model, frozen=True):
    """interval: milliseconds between two probes."""

    name: str
    interval: int
    targets: list[TargetSeries]


class LinkSeriesList(Model, frozen=True):
    links: list[LinkSeries]


class LinkChange(Model, frozen=True):
    """time: UTC, ISO 8601. before: the previous state; empty for a new link."""

    time: str
    link: str
    state: str
    before: str
    reason: str


class LinkChangeList(Model, frozen=True):
    changes: list[LinkChange]


class LinkOrdered(Model, frozen=True):
    name: str
    state: LinkStatus
    reason: str
