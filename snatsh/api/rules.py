# SPDX-License-Identifier: Apache-2.0
"""Rules: as committed, and what they have done."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import field

from snatsh.api.codec import Model, builtins
from snatsh.api.fields import Field, FieldTable, Unit

RULE_FIELDS = FieldTable(
    Field("order", "Order", Unit.ORDINAL, rising=True),
    Field("number", "Rule", Unit.ORDINAL, rising=True),
    Field("match", "Match", sortable=False),
    Field("action", "Action", rising=True),
    Field("pool", "Pool", rising=True),
    Field("flows", "Flows", Unit.COUNT),
    Field("created", "Created", Unit.COUNT),
    Field("packets", "Packets", Unit.COUNT),
    Field("bytes", "Bytes", Unit.OCTETS),
    Field("rate", "Bits/s", Unit.BIT_RATE),
    Field("packet_rate", "Packets/s", Unit.RATE),
    Field("new_rate", "New/s", Unit.RATE),
)

MATCH_FIELDS = ("source", "destination", "protocol", "out-interface", "next-hop", "fwmark")
"""What a rule may look for, by its names in the configuration."""


class RuleFailover(Model, frozen=True):
    redirect: str | None = None
    pool: str | None = None


class FailedOver(Model, frozen=True):
    """Where a rule's new flows go instead of links that are down. since: the last of them went down."""

    links: str = field(name="from")
    to: str
    pool: str
    redirect: str | None
    since: str | None


class RuleRow(Model, frozen=True, kw_only=True):
    """The rule's fields as committed, then what follows from them. order: of matching, from 0.

    links: those that share its new flows. flows: now; created, packets, bytes: so far.
    """

    number: int
    order: int
    source: str | None = None
    destination: str | None = None
    protocol: str | None = None
    out_interface: str | None = field(name="out-interface", default=None)
    next_hop: str | None = field(name="next-hop", default=None)
    fwmark: int | None = None
    action: str
    pool: str | None
    algorithm: str | None = None
    mapping: str | None = None
    filtering: str | None = None
    group: str | None = None
    redirect: str | None = None
    failover: dict[str, RuleFailover] | None = None
    description: str | None = None
    links: str | None
    failed_over: FailedOver | None
    flows: int
    created: int
    packets: int
    bytes: int

    def match(self) -> Iterator[tuple[str, str | int]]:
        """The given match fields, by their names in the configuration."""
        given = builtins(self)
        return ((name, given[name]) for name in MATCH_FIELDS if name in given)


class RuleList(Model, frozen=True):
    rules: list[RuleRow]


class LiveRule(RuleRow, frozen=True, kw_only=True):
    """rate: bits per second; packet_rate, new_rate: packets and new flows per second."""

    rate: int | None
    packet_rate: float | None
    new_rate: float | None


class LiveRuleList(Model, frozen=True):
    rules: list[LiveRule]
