# SPDX-License-Identifier: Apache-2.0
"""Keys of flows as rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snatsh.api.flows import FlowKey
from snatsh.datapath.flows import FLOW_VIEW
from snatsh.engine.errors import QueryError
from snatsh.engine.flows.query import Flows
from snatsh.model.values import parse_address
from snatsh.model.vocabulary import PROTOCOL_NUMBERS


def rows_of_keys(keys: Sequence[FlowKey]) -> Flows:
    """Return rows of the table with nothing but these keys. QueryError if an address is invalid."""
    rows: Any = np.zeros(len(keys), dtype=FLOW_VIEW)
    for at, key in enumerate(keys):
        for name, value in _columns(key).items():
            rows[at][name] = value
    found: Flows = rows
    return found


def _columns(key: FlowKey) -> dict[str, int]:
    try:
        source, destination = int(parse_address(key.source)), int(parse_address(key.destination))
    except ValueError as error:
        raise QueryError(f"flow: {error}") from None
    return {
        "source": source,
        "source_port": key.source_port,
        "destination": destination,
        "destination_port": key.destination_port,
        "protocol": PROTOCOL_NUMBERS[key.protocol],
    }
