# SPDX-License-Identifier: Apache-2.0
"""Reads of the whole flow table: at most one copy of it in memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from snatsh.engine.flows.query import Flows

T = TypeVar("T")


class TableReader:
    """read: copies the table. lock: held while there is a copy."""

    def __init__(self, read: Callable[[], Flows]) -> None:
        self.read = read
        self.lock = asyncio.Lock()

    async def with_table(self, work: Callable[[Flows], T]) -> T:
        """Run some work on a fresh copy, in a thread."""
        async with self.lock:
            return await asyncio.to_thread(lambda: work(self.read()))
