# SPDX-License-Identifier: Apache-2.0
"""Endpoint-independent mappings."""

from __future__ import annotations

from collections.abc import Mapping

from snatsh.api.codec import Model
from snatsh.api.fields import Field, FieldTable, Unit

MAPPING_FILTERS = ("source", "mapped", "protocol", "port", "mapped_port", "rule", "pool", "age")
"""Of the filters of flows, those that apply to mappings."""

MappingFilter = Mapping[str, str | int]
"""By MAPPING_FILTERS."""

MAPPING_FIELDS = FieldTable(
    Field("flows", "Flows", Unit.COUNT),
    Field("age", "Age", Unit.SECONDS),
    Field("expires", "Expires", Unit.SECONDS),
    Field("source", "Source", rising=True),
    Field("mapped", "Mapped", rising=True),
    Field("rule", "Rule", Unit.ORDINAL, rising=True),
    Field("protocol", "Proto", rising=True),
)


class MappingRow(Model, frozen=True, gc=False):
    """An internal endpoint and its external one. rule: the one that made it. flows: those that hold it.

    age, expires: seconds; a mapping ends with its last flow, at the latest when it expires.
    """

    source: str
    mapped: str
    source_port: int
    mapped_port: int
    protocol: str
    rule: int
    flows: int
    age: float
    expires: float


class MappingListing(Model, frozen=True):
    """total: mappings in use. matched: those that match the filter; mappings: the first of them."""

    total: int
    matched: int
    mappings: list[MappingRow]
