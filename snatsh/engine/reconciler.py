# SPDX-License-Identifier: Apache-2.0
"""Reconcile the datapath with the host and its links: interfaces, routes, failover and recovery."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from snatsh.compile.link_selection import links_by_route
from snatsh.engine.config.commit import Committer, Plan
from snatsh.engine.failure_log import FailureLog
from snatsh.engine.host.announcer import Announcer
from snatsh.engine.host.facts import gather, unreachable, unrouted
from snatsh.engine.host.neighbors import NeighborKeeper
from snatsh.engine.host.netlink_watcher import HostChange
from snatsh.engine.links.flow_termination import FlowTermination
from snatsh.engine.links.manager import LinkManager, Paths
from snatsh.engine.worker import ChangeWorker
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
WATCH_SECONDS = 1.0
WATCHED_SECONDS = 4.0
"""How long the datapath relies on us to report changes of paths; renewed every WATCH_SECONDS."""


class Reconciler:
    """`notice` records a change; `run`, in the background, applies it."""

    def __init__(
        self,
        datapath: Datapath,
        committer: Committer,
        links: LinkManager,
        worker: ChangeWorker,
        announcer: Announcer,
    ) -> None:
        self._datapath = datapath
        self._committer = committer
        self._links = links
        self._worker = worker
        self._announcer = announcer
        self._neighbors = NeighborKeeper()
        self._termination = FlowTermination(datapath, worker)
        self._changes = HostChange.NONE
        self._changed = asyncio.Event()
        self._failures = FailureLog(log)

    def notice(self, change: HostChange) -> None:
        self._changes |= change
        self._changed.set()

    async def follow_switch(self) -> None:
        """Do what follows a switch of the datapath. New pool addresses are answered for at the end."""
        await self._follow()
        if await self._announcer.settled():
            await self._worker.run(lambda: self._committer.reapply(self._committer.current.facts))
        self.notice(HostChange.PATHS)  # the state of the next hops

    async def _follow(self) -> None:
        """Do what follows a switch or a change of interfaces."""
        plan = self._committer.current
        self._links.update(plan.profile.links, plan.facts)
        self._announcer.update(plan.image, plan.facts)
        await self._worker.run(lambda: self._neighbors.keep(plan.profile, plan.facts, again=True))

    async def run(self) -> None:
        while True:
            await self._next_change()
            self._changed.clear()
            changes, self._changes = self._changes, HostChange.NONE
            try:
                if changes:
                    await self._catch_up(changes)
                self._datapath.watch_paths(WATCHED_SECONDS)
                self._failures.succeeded()
            except Exception as error:
                self._failures.failed(f"the datapath cannot follow the host: {error}; retrying")
                await asyncio.sleep(RETRY_SECONDS)
                self.notice(changes)

    async def _next_change(self) -> None:
        """Wait for a change, or until the datapath has to hear again that changes are reported."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), WATCH_SECONDS)

    async def close(self) -> None:
        self._datapath.watch_paths(0)
        await self._announcer.close()
        await self._termination.close()

    async def _catch_up(self, changes: HostChange) -> None:
        plan = self._committer.current
        facts = plan.facts
        if changes & HostChange.ALL:
            facts, paths = await self._worker.run(lambda: _look(plan))
            if self._committer.current is not plan:
                return self.notice(changes)
            # Link verdicts first, so that one switch covers both.
            self._links.update(plan.profile.links, facts, paths)
        changes |= self._changes & HostChange.VERDICTS
        self._changes &= ~HostChange.VERDICTS
        applied = HostChange.LINKS | HostChange.HOOKS | HostChange.VERDICTS | HostChange.CLAIMS
        if changes & applied and not await self._worker.run(lambda: self._reapplied(plan, facts)):
            return self.notice(changes)
        if changes & HostChange.VERDICTS:
            self._termination.look(self._committer.current.profile, facts, self._links.states)
        if changes & (HostChange.LINKS | HostChange.HOOKS):
            await self._follow()
        if changes & HostChange.ALL:
            await self._worker.run(self._refresh)
        await self._links.keep()

    def _reapplied(self, plan: Plan, facts: Facts) -> bool:
        """Whether this plan still ran, and was brought to the host as it was found.

        A commit may have looked at the host later, and what it found is not replaced by older facts.
        """
        if self._committer.current is not plan:
            return False
        self._committer.reapply(facts)
        return True

    def _refresh(self) -> None:
        """Follow a change of routes or neighbors."""
        self._datapath.refresh_paths()
        self._neighbors.keep(self._committer.current.profile, self._committer.current.facts, again=False)


def _look(plan: Plan) -> tuple[Facts, Paths]:
    facts, links = gather(), plan.profile.links
    routed = {name: next_hop(links[name], facts) for name in links_by_route(plan.profile, facts)}
    hops = frozenset((links[name].interface, hop) for name, hop in routed.items() if hop is not None)
    silent, missing = unreachable(facts, {link.interface for link in links.values()}), unrouted(facts, hops)
    return facts, Paths(silent, hops - missing, missing)
