# SPDX-License-Identifier: Apache-2.0
"""Pool addresses that get no new flows, by order of an operator, until they are restored.

They stay addresses of their pools: flows go on, and ARP is answered for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from snatsh.api.codec import Model
from snatsh.engine.config.commit import Plan
from snatsh.engine.errors import QueryError
from snatsh.engine.storage.json_record import Record
from snatsh.model.values import Address, parse_address

MOST = 256
"""Most addresses that are drained at a time."""


class DrainOrder(Model, frozen=True):
    user: str


Orders = Mapping[Address, str]
"""The user who drained each address."""


class PoolDrain:
    """reapply: brings the running configuration into the datapath once more."""

    def __init__(
        self, folder: Path, running: Callable[[], Plan], reapply: Callable[[], Awaitable[object]]
    ) -> None:
        lost = "orders to drain pool addresses"
        self.record = Record(folder / "pools.json", dict[str, DrainOrder], lost)
        self._orders: Orders = self.record.read(_parsed) or {}
        self._running = running
        self._reapply = reapply

    @property
    def orders(self) -> Orders:
        return self._orders

    def addresses(self) -> frozenset[Address]:
        return frozenset(self._orders)

    async def drain(self, address: Address, user: str) -> None:
        """Give it no new flows. QueryError when no pool has it; StoreError."""
        if not self._is_pooled(address):
            raise QueryError(f"{address}: expected an address of a pool")
        pooled = {held: by for held, by in self._orders.items() if self._is_pooled(held)}
        if len(pooled) >= MOST and address not in pooled:
            raise QueryError(f"{address}: {MOST} addresses are drained already; expected fewer")
        await self._keep({**pooled, address: user})

    async def restore(self, address: Address) -> None:
        """Give it new flows again. QueryError when it is not drained; StoreError."""
        if address not in self._orders:
            raise QueryError(f"{address}: expected an address that is drained")
        await self._keep({held: by for held, by in self._orders.items() if held != address})

    async def _keep(self, orders: Orders) -> None:
        self.record.write({str(held): DrainOrder(by) for held, by in orders.items()} or None)
        self._orders = orders
        await self._reapply()

    def _is_pooled(self, address: Address) -> bool:
        return any(address in run for pool in self._running().image.pools for run in pool.runs)


def _parsed(content: dict[str, DrainOrder]) -> Orders:
    return {parse_address(address): order.user for address, order in content.items()}
