# SPDX-License-Identifier: Apache-2.0
"""The key of a flow, as operators write it and as the table has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snatsh.datapath.flows import FLOW_VIEW
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.query import Flows
from snatsh.model.values import parse_address
from snatsh.model.vocabulary import PROTOCOL_NUMBERS


@dataclass(frozen=True, slots=True)
class FiveTuple:
    """protocol: by name."""

    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: str

    @property
    def fields(self) -> dict[str, int]:
        """Values by column of the table. QueryError if an address is invalid."""
        try:
            source, destination = int(parse_address(self.source)), int(parse_address(self.destination))
        except ValueError as error:
            raise QueryError(f"flow: {error}") from None
        return {
            "source": source,
            "source_port": self.source_port,
            "destination": destination,
            "destination_port": self.destination_port,
            "protocol": PROTOCOL_NUMBERS[self.protocol],
        }


def rows_of_tuples(keys: Sequence[FiveTuple]) -> Flows:
    """Return rows of the table with nothing but these keys."""
    rows: Any = np.zeros(len(keys), dtype=FLOW_VIEW)
    for at, key in enumerate(keys):
        for name, value in key.fields.items():
            rows[at][name] = value
    found: Flows = rows
    return found
