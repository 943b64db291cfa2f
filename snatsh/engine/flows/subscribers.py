# SPDX-License-Identifier: Apache-2.0
"""Subscribers: inside addresses with the sessions they hold and those they were refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from snatsh.api.subscribers import (
    SUBSCRIBER_FIELDS,
    LiveSubscriber,
    Subscriber,
    SubscriberListing,
    SubscriberPage,
)
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows import groups
from snatsh.engine.flows.filters import parse_listing
from snatsh.engine.flows.live import LiveFlows
from snatsh.engine.flows.query import address_text, parse_limit
from snatsh.engine.flows.snapshot import Snapshots
from snatsh.engine.host.facts import interface_names

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

_COMPLETIONS = 200


class SubscriberService:
    """running: the plan that the datapath runs."""

    def __init__(
        self, datapath: Datapath, snapshots: Snapshots, live: LiveFlows, running: Callable[[], Plan]
    ) -> None:
        self._read = datapath.subscribers
        self._snapshots = snapshots
        self._live = live
        self._running = running

    async def listing(self, query: Mapping[str, str]) -> SubscriberListing:
        """List subscribers by sessions, most first."""
        limit = parse_limit(query.get("limit", "100"))
        allowed = self._allowed
        found = await asyncio.to_thread(self._read)
        found = found[(found["sessions"] > 0) | (found["refused"] > 0)]
        first = found[found["sessions"].argsort(kind="stable")[::-1][:limit]]
        rows = [
            Subscriber(address_text(int(row["address"])), int(row["sessions"]), int(row["refused"]))
            for row in first
        ]
        return SubscriberListing(rows, len(found), allowed)

    async def completions(self, typed: str) -> list[str]:
        """Complete the address of a subscriber that holds sessions."""
        found = await asyncio.to_thread(self._read)
        addresses = (address_text(int(address)) for address in found["address"][found["sessions"] > 0])
        return sorted(islice((one for one in addresses if one.startswith(typed)), _COMPLETIONS))

    async def live(self, query: Mapping[str, str]) -> SubscriberPage:
        """Return one page of subscribers by rate, flows, bytes, packets, sessions or refused sessions."""
        request = parse_listing(query, self._running())
        snapshot = await self._snapshots.latest()
        names = interface_names()

        def look() -> tuple[list[LiveSubscriber], int, int]:
            held = self._read()
            found = groups.sums(snapshot, request, "subscriber", names)
            more = {name: partial(_column_of, held, name) for name in ("sessions", "refused")}
            rows = groups.screenful(found, request, address_text, LiveSubscriber, SUBSCRIBER_FIELDS, more)
            return rows, len(found.values), int((held["refused"] > 0).sum())

        rows, count, limited = await asyncio.to_thread(look)
        head = asdict(self._live.head(snapshot))
        return SubscriberPage(**head, count=count, limited=limited, allowed=self._allowed, subscribers=rows)

    @property
    def _allowed(self) -> int | None:
        """Sessions that each subscriber may hold."""
        return self._running().profile.limits.subscriber.sessions


def _column_of(held: NDArray[Any], name: str, addresses: NDArray[Any]) -> NDArray[Any]:
    """Return a column for these addresses, which are in ascending order; 0 for those that hold nothing."""
    held = held[np.isin(held["address"], addresses)]
    column = np.zeros(len(addresses))
    column[np.searchsorted(addresses, held["address"])] = held[name]
    return column
