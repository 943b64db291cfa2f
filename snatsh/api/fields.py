# SPDX-License-Identifier: Apache-2.0
"""Columns of listings: what they count in, and how they sort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a column counts in. ORDINAL: numbers that identify and count nothing."""

    ORDINAL = "ordinal"
    COUNT = "count"
    OCTETS = "octets"
    BIT_RATE = "bits per second"
    RATE = "per second"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    PERCENT = "percent"
    SHARE = "share"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Field:
    """A column. name: in the API. title: in the shell. unit: None for names and addresses.

    rising: sorted from the lowest value. sortable: listings can be sorted by it.
    """

    name: str
    title: str
    unit: Unit | None = None
    rising: bool = False
    sortable: bool = True

    @property
    def is_number(self) -> bool:
        """Whether it is aligned to the right."""
        return self.unit not in (None, Unit.TIME)


class FieldTable:
    """The columns of one kind of row, in the order in which they are offered."""

    def __init__(self, *fields: Field) -> None:
        self._fields = {field.name: field for field in fields}

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def __getitem__(self, name: str) -> Field:
        return self._fields[name]

    @property
    def sorts(self) -> tuple[str, ...]:
        """The names to sort by."""
        return tuple(field.name for field in self if field.sortable)

    def is_descending(self, name: str, *, reversed_: bool = False) -> bool:
        """Whether the greatest value comes first."""
        return self._fields[name].rising == reversed_
