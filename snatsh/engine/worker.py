# SPDX-License-Identifier: Apache-2.0
"""One thread for everything that changes the datapath or the history, so that no two changes overlap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ChangeWorker:
    """Runs changes in the order in which they are submitted."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="change")

    async def run(self, action: Callable[[], T]) -> T:
        """Run an action to its end, even when the caller is cancelled meanwhile."""
        # Shielded: a client that disconnects must not leave the end of a commit unnoticed.
        running = asyncio.get_running_loop().run_in_executor(self._thread, action)
        return await asyncio.shield(running)

    async def close(self) -> None:
        """Wait for the changes that are under way."""
        await asyncio.to_thread(self._thread.shutdown)
