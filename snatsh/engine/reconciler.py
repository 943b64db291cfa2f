# SPDX-License-Identifier: Apache-2.0
"""Keeps the datapath in step with the box and its links: other interfaces, new paths, failover and return."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from snatsh.compile.link_selection import links_by_route
from snatsh.engine.config.commit import Committer, Plan
from snatsh.engine.host.facts import gather, unreachable, unrouted
from snatsh.engine.host.gratuitous_arp import Announcer, stations
from snatsh.engine.host.neighbors import Neighbours
from snatsh.engine.host.netlink_watcher import HostChange
from snatsh.engine.links.flow_termination import Endings
from snatsh.engine.links.manager import Links, Paths
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
WATCH_SECONDS = 1.0
WATCHED_SECONDS = 4.0
"""How long the datapath trusts in being told of changes, and how often that is said again."""

Worker = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs something in the one thread that changes the datapath."""


class Follower:
    """`notice` what happened; `run` in the background follows."""

    def __init__(self, datapath: Datapath, committer: Committer, links: Links, worker: Worker) -> None:
        self._datapath = datapath
        self._committer = committer
        self._links = links
        self._worker = worker
        self._announcer = Announcer()
        self._neighbours = Neighbours()
        self._endings = Endings(datapath, worker)
        self._changes = HostChange.NONE
        self._changed = asyncio.Event()

    def notice(self, change: HostChange) -> None:
        self._changes |= change
        self._changed.set()

    async def follow(self) -> None:
        """What has to follow every switch and every change of interfaces."""
        plan = self._plan
        self._links.update(plan.profile.links, plan.facts)
        self._announcer.update(stations(plan.image.announced, plan.facts))
        await self._worker(lambda: self._neighbours.keep(plan.profile, plan.facts, again=True))

    async def run(self) -> None:
        told = ""
        while True:
            await self._next_change()
            self._changed.clear()
            changes, self._changes = self._changes, HostChange.NONE
            try:
                if changes:
                    await self._catch_up(changes)
                self._datapath.watch_paths(WATCHED_SECONDS)
                told = ""
            except Exception as error:
                if str(error) != told:
                    log.error("the datapath can't follow the box: %s; trying again and again", error)
                told = str(error)
                await asyncio.sleep(RETRY_SECONDS)
                self.notice(changes)

    async def _next_change(self) -> None:
        """Waits for it, or for the time to tell the datapath again that somebody is watching."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), WATCH_SECONDS)

    async def close(self) -> None:
        self._datapath.watch_paths(0)
        await self._announcer.close()
        await self._endings.close()

    @property
    def _plan(self) -> Plan:
        if self._committer.running is None:
            raise RuntimeError("nothing runs yet")
        return self._committer.running

    async def _catch_up(self, changes: HostChange) -> None:
        plan = self._plan
        facts = plan.facts
        if changes & ~HostChange.VERDICTS:
            facts, paths = await self._worker(lambda: _look(plan))
            # Verdicts of links first: one switch serves both.
            self._links.update(self._plan.profile.links, facts, paths)
        changes |= self._changes & HostChange.VERDICTS
        self._changes &= ~HostChange.VERDICTS
        if changes & (HostChange.LINKS | HostChange.HOOKS | HostChange.VERDICTS):
            await self._worker(lambda: self._committer.reapply(facts))
        if changes & HostChange.VERDICTS:
            self._endings.look(self._plan.profile, facts, self._links.states)
        if changes & (HostChange.LINKS | HostChange.HOOKS):
            await self.follow()
        if changes & (HostChange.LINKS | HostChange.PATHS):
            await self._worker(self._refresh)
        await self._links.keep()

    def _refresh(self) -> None:
        """Routes or neighbours changed."""
        self._datapath.refresh_paths()
        self._neighbours.keep(self._plan.profile, self._plan.facts, again=False)


def _look(plan: Plan) -> tuple[Facts, Paths]:
    facts, links = gather(), plan.profile.links
    routed = {name: next_hop(links[name], facts) for name in links_by_route(plan.profile, facts)}
    hops = frozenset((links[name].interface, hop) for name, hop in routed.items() if hop is not None)
    silent, missing = unreachable(facts, {link.interface for link in links.values()}), unrouted(facts, hops)
    return facts, Paths(silent, hops - missing, missing)
