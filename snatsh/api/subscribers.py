# SPDX-License-Identifier: Apache-2.0
"""Subscribers: inside addresses, the sessions they hold, and what they were refused."""

from __future__ import annotations

from snatsh.api.codec import Model
from snatsh.api.fields import Field, FieldTable, Unit
from snatsh.api.flows import GROUP_FIELDS, FlowGroup, SnapshotPage

SUBSCRIBER_FIELDS = FieldTable(
    *(field for field in GROUP_FIELDS if field.name != "name"),
    Field("sessions", "Sessions", Unit.COUNT),
    Field("refused", "Refused", Unit.COUNT),
    Field("name", "Address", rising=True),
)


class Subscriber(Model, frozen=True):
    address: str
    sessions: int
    refused: int


class SubscriberListing(Model, frozen=True):
    """allowed: sessions each may hold; None for any number."""

    subscribers: list[Subscriber]
    total: int
    allowed: int | None


class LiveSubscriber(FlowGroup, frozen=True):
    sessions: int
    refused: int


class SubscriberPage(SnapshotPage, frozen=True):
    """count: subscribers that match. limited: subscribers that were ever refused a flow."""

    count: int
    limited: int
    allowed: int | None
    subscribers: list[LiveSubscriber]
