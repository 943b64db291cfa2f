# SPDX-License-Identifier: Apache-2.0
"""Gauges are shown as counts, never below zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snatsh.datapath import gauges, layout


class Dump:
    """The entries of a map."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def dump(self) -> tuple[Any, Any]:
        return np.arange(len(self._values), dtype=layout.ADDRESS), self._values


@pytest.mark.parametrize("held", [-2, 0, 7])
def test_gauge_is_never_shown_below_zero(held: int) -> None:
    usage, subscriber = np.zeros(1, layout.ADDRESS_USAGE), np.zeros(1, layout.SUBSCRIBER)
    usage["udp"] = np.array([held]).astype("u4")
    subscriber["sessions"] = held
    assert gauges.usage_rows(Dump(usage))["udp"] == max(held, 0)  # type: ignore[arg-type]
    assert gauges.subscriber_rows(Dump(subscriber))["sessions"] == max(held, 0)  # type: ignore[arg-type]
