# SPDX-License-Identifier: Apache-2.0
"""Look up the rows of a page again, so that they are current however old the snapshot is."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snatsh.engine.flows.snapshot import Flows, row_key

_KEPT = 4096
_SOONEST, _LATEST = 0.5, 30.0  # seconds between two looks that make a rate


class RowRefresher:
    """look_up: returns rows as they are now, without flows that ended."""

    def __init__(self, look_up: Callable[[Flows], Flows]) -> None:
        self._look_up = look_up
        self._seen: OrderedDict[tuple[int, ...], tuple[float, int, float]] = OrderedDict()
        self._lock = Lock()

    def look(self, rows: Flows, rates: NDArray[Any]) -> tuple[Flows, NDArray[np.float64]]:
        """Return current rows and rates. A flow that ended keeps its row, with rate 0 and no time left.

        rates: those of the snapshot, used until a row was looked up twice.
        """
        with self._lock:
            now = time.monotonic()
            current = {row_key(row): row for row in self._look_up(rows)}
            shown, found = rows.copy(), np.zeros(len(rows))
            for at, row in enumerate(rows):
                key = row_key(row)
                if key in current:
                    shown[at] = current[key]
                    found[at] = self._rate(key, current[key], now, float(rates[at]))
                else:
                    shown[at]["expires"] = 0.0
            while len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
        return shown, found

    def _rate(self, key: tuple[int, ...], row: Any, now: float, otherwise: float) -> float:
        total = int(row["bytes_out"]) + int(row["bytes_in"])
        at, before, rate = self._seen.get(key, (-_LATEST, 0, otherwise))
        if now - at < _SOONEST:
            return rate
        rate = 8 * (total - before) / (now - at) if now - at < _LATEST and total >= before else otherwise
        self._seen[key] = (now, total, rate)
        self._seen.move_to_end(key)
        return rate
