# SPDX-License-Identifier: Apache-2.0
"""The engine: the services of one gateway, composed around its datapath and its history.

Coroutines belong to the event loop. Whatever changes the datapath or the history runs in one worker
thread, so that no two changes overlap; the ager and readers have their own threads.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING

from snatsh.engine.box.watch import BoxWatch
from snatsh.engine.config.archive import Archive
from snatsh.engine.config.candidate import Candidate
from snatsh.engine.config.commit import Committer, Plan
from snatsh.engine.config.commit_service import CommitService
from snatsh.engine.config.deadlines import Timekeeper
from snatsh.engine.config.edit_service import EditService
from snatsh.engine.config.edit_sessions import EditSessions
from snatsh.engine.config.history import Store
from snatsh.engine.config.startup import run_first
from snatsh.engine.diagnostics.service import Diagnostics
from snatsh.engine.flows.live import LiveFlows
from snatsh.engine.flows.mappings import MappingService
from snatsh.engine.flows.service import FlowService
from snatsh.engine.flows.snapshot import Snapshots
from snatsh.engine.flows.subscribers import SubscriberService
from snatsh.engine.flows.table_reader import TableReader
from snatsh.engine.flows.table_task import TableTask
from snatsh.engine.host import neighbor_use
from snatsh.engine.host.announcer import Announcer
from snatsh.engine.host.neighbor_use import NeighborUse
from snatsh.engine.host.netlink_watcher import HostChange, NetlinkWatcher
from snatsh.engine.links import moved_flows
from snatsh.engine.links.manager import LinkManager
from snatsh.engine.links.moved_flows import MovedFlows
from snatsh.engine.links.service import LinkService
from snatsh.engine.notices import Notices
from snatsh.engine.pools.drain import PoolDrain
from snatsh.engine.pools.service import PoolService
from snatsh.engine.reconciler import Reconciler
from snatsh.engine.status.box import BoxStatus
from snatsh.engine.status.rules import RuleService
from snatsh.engine.status.service import StatusService
from snatsh.engine.status.totals import Totals
from snatsh.engine.storage.user_files import UserFolder
from snatsh.engine.worker import ChangeWorker
from snatsh.model.document.document import Document
from snatsh.model.validate.box import Mode

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath


class Engine:
    """One gateway. `start` before anything else. launcher: the socket to the launcher of the event hook."""

    def __init__(self, datapath: Datapath, store: Store, launcher: socket.socket) -> None:
        self._datapath = datapath
        self._store = store
        self._worker = ChangeWorker()
        self._table = TableReader(datapath.flows)
        self.notices = Notices()
        self.links = LinkService(store.folder, self.notices, self._plan, self._link_changed, launcher)
        self._announcer = Announcer(lambda: self._reconciler.notice(HostChange.CLAIMS))
        self._box_watch = BoxWatch()
        self._compose_configuration(self.links.manager)
        self._compose_views()
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: NetlinkWatcher | None = None

    def _compose_configuration(self, links: LinkManager) -> None:
        datapath, store, worker = self._datapath, self._store, self._worker
        self.drain = PoolDrain(store.folder, self._plan, self._reapply)
        self._committer = Committer(datapath, store, links.down_in, self._announcer, self.drain.addresses)
        self._reconciler = Reconciler(datapath, self._committer, links, worker, self._announcer)
        self._sessions = EditSessions(Candidate({}))
        self.archive = Archive(store, self._committer, worker)
        self.editing = EditService(self._sessions, self._committer, self.archive)
        self.commits = CommitService(
            self._committer, store, self._sessions, worker, self.notices, self._reconciler.follow_switch,
            self._table.with_table,
        )  # fmt: skip

    def _compose_views(self) -> None:
        datapath, running = self._datapath, self._plan
        table = self._table
        totals = Totals(datapath)
        self._snapshots = Snapshots(datapath.flows, table.lock)
        self.flows = FlowService(datapath, table, self._worker, running)
        self.mappings = MappingService(datapath, self._worker, running)
        self.live_flows = LiveFlows(datapath, self._snapshots, running)
        self.subscribers = SubscriberService(datapath, self._snapshots, self.live_flows, running)
        self.pools = PoolService(
            datapath.address_usage, lambda: totals.look()[0].usage, running, self.notices,
            lambda: self.drain.orders,
        )  # fmt: skip
        self.rules = RuleService(datapath, table, self._snapshots, totals, running, lambda: self.links.states)
        self._box = BoxStatus(self._box_watch, running, self._modes)
        self.status = StatusService(
            datapath, self._store, totals, self.pools.watch, running,
            lambda: self.links.states, lambda: self.commits.pending,
            (*self.commits.records, self.archive.record, self.links.record, self.drain.record),
            lambda: self._announcer.conflicts, self._box,
        )  # fmt: skip
        self.diagnostics = Diagnostics(
            datapath, table, running, self.links.manager.down_in, lambda: self._box.findings(self._modes())
        )

    @property
    def running(self) -> Plan:
        """The plan that the datapath runs."""
        return self._committer.current

    @property
    def host_name(self) -> str:
        """The configured host name, else the host's own."""
        return self.running.profile.system.host_name or socket.gethostname()

    def user_files(self, user: str) -> UserFolder:
        """The files that a user keeps on the gateway."""
        return UserFolder(self._store.folder, user)

    async def start(self, profile: Document | None = None) -> None:
        """Run the newest configuration of the history, or `profile` without one, and follow the host."""
        self._watcher = NetlinkWatcher(self._notice)
        await self._worker.run(lambda: run_first(self._store, self._committer, profile))
        self._sessions.shared.rebase(self.running.document)
        await self._reconciler.follow_switch()
        self.commits.load()
        await self.archive.check()
        timekeeper = Timekeeper(self.commits, self.notices)
        await timekeeper.tick()
        background: tuple[Coroutine[None, None, None], ...] = (
            self._reconciler.run(), timekeeper.run(), self.pools.watch.run(), self._box.run(),
            *(task.run() for task in self._table_tasks()),
        )  # fmt: skip
        self._tasks = [asyncio.create_task(one) for one in background]

    def _table_tasks(self) -> Iterator[TableTask]:
        # The first sweep takes from the gauges what expired while no snatd ran. Lookups ignore it anyway.
        sweep, post_events = self._datapath.age, self.pools.post_events
        yield TableTask("sweeping expired flows", sweep, self._snapshots, 1.0, post_events)
        moved = MovedFlows(self._datapath, self._plan)
        what = "ending flows whose route has moved"
        yield TableTask(what, moved.end, self._snapshots, moved_flows.SECONDS, moved.prompt)
        report = NeighborUse(self._datapath.stations).report
        yield TableTask("probing neighbors in use", report, self._snapshots, neighbor_use.SECONDS)

    async def close(self) -> None:
        """Stop. The datapath keeps running."""
        if self._watcher is not None:
            self._watcher.close()
        for task in self._tasks:
            task.cancel()
        self._snapshots.close()
        self._sessions.close_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.links.manager.close()
        await self._reconciler.close()
        await self.links.close()
        await self._worker.close()

    async def _reapply(self) -> bool:
        return await self._worker.run(lambda: self._committer.reapply(self.running.facts))

    def _plan(self) -> Plan:
        return self._committer.current

    def _notice(self, change: HostChange) -> None:
        self._box_watch.notice()
        self._reconciler.notice(change)

    def _modes(self) -> dict[str, Mode]:
        return {hook.interface: hook.mode for hook in self._datapath.attached()}

    def _link_changed(self) -> None:
        self._reconciler.notice(HostChange.VERDICTS)
