# SPDX-License-Identifier: Apache-2.0
"""The engine: the running configuration, the candidate and the box, kept in step with the datapath.

Coroutines belong to the event loop. Whatever changes the datapath or the history runs in one worker
thread, so that no two changes overlap; the ager and readers have threads of their own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from snatsh.engine.config.candidate import Candidate
from snatsh.engine.config.commit import Committed, Committer, Plan, prepare
from snatsh.engine.config.confirm import Confirmation, NothingPending
from snatsh.engine.config.deadlines import Timekeeper
from snatsh.engine.config.edit_sessions import Sessions
from snatsh.engine.config.history import Metadata, Store
from snatsh.engine.config.schedule import Schedule, Scheduled, boot_id, parse_time
from snatsh.engine.config.transaction import Step
from snatsh.engine.diagnostics.trace import Tracer
from snatsh.engine.errors import CommitInProgress, Conflict, NoRescue, StoreError
from snatsh.engine.flows.expiry import Ager
from snatsh.engine.host.facts import gather, survey
from snatsh.engine.host.netlink_watcher import HostChange, Watcher
from snatsh.engine.links.events import LinkEvents
from snatsh.engine.links.history import LinkHistory
from snatsh.engine.links.manager import Links, LinkState
from snatsh.engine.reconciler import Follower
from snatsh.engine.status.live import LiveView
from snatsh.engine.status.notices import Notices
from snatsh.engine.storage.json_record import Record
from snatsh.model.changes.merge import conflicts, merge
from snatsh.model.document.document import Document, validate_shape
from snatsh.model.errors import Problem, SnatshError
from snatsh.model.facts import Facts

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

log = logging.getLogger(__name__)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CommitResult:
    """scheduled: when it will run, empty when it runs already."""

    number: int
    warnings: tuple[Problem, ...]
    ended_flows: int
    milliseconds: float
    steps: tuple[Step, ...]
    scheduled: str = ""


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A commit as it was asked for. confirmed: minutes within which it has to be. at: a time for later."""

    user: str
    method: str
    comment: str | None = None
    check: bool = False
    confirmed: int | None = None
    at: str | None = None

    @property
    def metadata(self) -> Metadata:
        how = f" commit confirmed, rollback in {self.confirmed}mins" if self.confirmed else ""
        return Metadata.now(self.user, self.method + how, self.comment)


class Engine:
    """One gateway. `start` before anything else."""

    def __init__(self, datapath: Datapath, store: Store) -> None:
        self.datapath = datapath
        self.store = store
        self.links = Links(Record(store.folder / "links.json"), self._link_changed)
        self.sessions = Sessions(Candidate({}))
        self.notices = Notices()
        self.confirmation = Confirmation(store.folder)
        self.schedule = Schedule(store.folder)
        self._rescue = Record(store.folder / "rescue.json")
        self._committer = Committer(datapath, store, self.links.down_in)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="change")
        self.link_history = LinkHistory(store.folder / "links.log")
        self._link_events = LinkEvents(self.notices, self.link_history)
        self._follower = Follower(datapath, self._committer, self.links, self._in_worker)
        self._committing = False
        self._editing = asyncio.Lock()
        self.tracer = Tracer(datapath)
        self.listing = asyncio.Lock()  # one copy of the flow table in memory at a time
        self.live = LiveView(self)
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: Watcher | None = None

    @property
    def running(self) -> Plan:
        """What the datapath runs."""
        if self._committer.running is None:
            raise RuntimeError("the engine was not started")
        return self._committer.running

    @property
    def candidate(self) -> Candidate:
        """The one that consoles share."""
        return self.sessions.shared

    @property
    def busy(self) -> bool:
        """Whether a commit is running."""
        return self._committing

    @property
    def host_name(self) -> str:
        """As configured, else what the box calls itself."""
        return self.running.profile.system.host_name or socket.gethostname()

    async def start(self, profile: Document | None = None) -> None:
        """Run what history says, or `profile` when it says nothing, and keep up with the box from now on."""
        self._watcher = Watcher(self._follower.notice)
        if not await self._in_worker(self._resume):
            metadata = Metadata.now(
                "snatd", "profile", None if profile else "empty profile of the first start"
            )
            first = profile or {}
            await self._in_worker(lambda: self._committer.commit(first, survey(), metadata))
        self.sessions = Sessions(Candidate(self.running.document))
        await self._follower.follow()
        self._follower.notice(HostChange.PATHS)  # what is true of next hops by now
        self.confirmation.load(self.store.last_serial)
        self.schedule.load()
        keeper = Timekeeper(self)
        await keeper.tick()
        self._tasks = [
            asyncio.create_task(self._follower.run()),
            asyncio.create_task(Ager(self).run()),
            asyncio.create_task(keeper.run()),
            asyncio.create_task(self.live.pools.run()),
        ]

    async def close(self) -> None:
        """Stop. The datapath goes on."""
        if self._watcher is not None:
            self._watcher.close()
        for task in self._tasks:
            task.cancel()
        self.live.close()
        self.sessions.close_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.links.close()
        await self._follower.close()
        await self._link_events.close()
        await asyncio.to_thread(self._worker.shutdown)

    async def edit(self, change: Callable[[Candidate], None], pid: int = 0) -> bool:
        """Change the candidate of a process, one at a time. Whether it differs from what it began with."""
        async with self._editing:
            self.sessions.require_free(pid)
            candidate = self.sessions.candidate(pid)
            await asyncio.to_thread(change, candidate)
        return candidate.changed

    async def commit(self, wish: CommitRequest, pid: int = 0) -> CommitResult:
        """Make a process' candidate run. Busy while another commit is at it."""
        self.sessions.require_free(pid)
        candidate = self.sessions.candidate(pid)
        if not wish.check:
            self.schedule.require_free()
        with self._alone():
            # Nobody else's commit comes in between: what runs now is what the candidate is merged into.
            snapshot = candidate.document
            document = self._merged(candidate)
            if wish.check or wish.at:
                return await self._check(document, wish)
            result = await self._commit(document, wish.metadata, wish.confirmed)
            async with self._editing:
                candidate.committed(self.running.document, followed=candidate.document is snapshot)
                self._bring_over(candidate)
        if wish.confirmed:
            minutes = f"{wish.confirmed} minute{'' if wish.confirmed == 1 else 's'}"
            self.notices.post(f"commit by {wish.user} will be rolled back in {minutes} unless confirmed")
        return result

    async def update(self, pid: int) -> list[str]:
        """Take over what runs under a private candidate's changes; those that win over what runs."""
        async with self._editing:
            candidate = self.sessions.candidate(pid)
            running = self.running.document
            won = conflicts(candidate.base, candidate.document, running)
            await asyncio.to_thread(candidate.rebase, running)
        return [str(change) for change in won]

    async def return_to_confirmed(self, user: str, why: str) -> None:
        """End the commit that was not confirmed."""
        pending = self.confirmation.pending
        if pending is None:
            raise NothingPending
        with self._alone():
            await self._commit(pending.document, Metadata.now(user, "other", why), again=True)
            async with self._editing:
                self._bring_over(None)
        self.notices.post(f"commit by {pending.user} was rolled back: {why}")

    async def commit_scheduled(self) -> None:
        """Run the commit that waited; it is taken off whether it can be run or not."""
        waiting = self.schedule.take()
        if waiting is None:
            return
        try:
            with self._alone():
                metadata = Metadata.now(waiting.user, waiting.method, waiting.comment)
                await self._commit(waiting.document, metadata)
                async with self._editing:
                    self._bring_over(None)
        except SnatshError as error:
            log.error("scheduled commit of %s: %s", waiting.user, error)
            self.notices.post(f"scheduled commit by {waiting.user} failed: {error}")
        else:
            self.notices.post(f"scheduled commit by {waiting.user} complete")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._committing:
            raise CommitInProgress
        self._committing = True
        try:
            yield
        finally:
            self._committing = False

    def _merged(self, candidate: Candidate) -> Document:
        """The candidate, with what others committed since a private one began. Conflict."""
        if candidate is self.candidate:
            return candidate.document
        running = self.running.document
        if found := conflicts(candidate.base, candidate.document, running):
            raise Conflict(found)
        return merge(candidate.base, candidate.document, running)

    def _bring_over(self, source: Candidate | None) -> None:
        """Let the candidates follow what runs now, save the one it came from and private ones with edits."""
        for candidate in self.sessions.candidates():
            if candidate is not source and (candidate is self.candidate or not candidate.changed):
                candidate.rebase(self.running.document)

    async def _check(self, document: Document, wish: CommitRequest) -> CommitResult:
        started = time.monotonic()
        at = parse_time(wish.at) if wish.at else None
        done = await self._in_worker(lambda: self._committer.check(document, survey()))
        scheduled = ""
        if wish.at and not wish.check:
            waiting = Scheduled(wish.user, wish.method, wish.comment, at, boot_id(), document)
            self.schedule.put(waiting)
            scheduled = waiting.when
        milliseconds = (time.monotonic() - started) * 1000
        return CommitResult(0, done.warnings, 0, milliseconds, done.steps, scheduled)

    async def _commit(
        self, document: Document, metadata: Metadata, minutes: int | None = None, *, again: bool = False
    ) -> CommitResult:
        started = time.monotonic()

        def commit() -> Committed:
            return self._committer.commit(document, survey(), metadata, again=again)

        def guarded() -> Committed:
            if minutes is not None:
                serial, before = self.store.last_serial + 1, self.running.document
                return self.confirmation.guard(minutes, metadata, serial, before, commit)
            done = commit()
            self.confirmation.settle()
            return done

        done = await self._in_worker(guarded)
        await self._follower.follow()
        self._follower.notice(HostChange.PATHS)
        milliseconds = (time.monotonic() - started) * 1000
        return CommitResult(0, done.warnings, done.ended_flows, milliseconds, done.steps)

    async def save_rescue(self, user: str) -> None:
        """Keep what runs, to come back to when all else fails."""
        content = {"user": user, "time": datetime.now(UTC).isoformat(), "document": self.running.document}
        await self._in_worker(lambda: self._rescue.write(content))

    async def delete_rescue(self) -> None:
        await self._in_worker(lambda: self._rescue.write(None))

    async def rescue_document(self) -> Document:
        found = await self._in_worker(self._rescue.read)
        if found is None:
            raise NoRescue
        return validate_shape(found.get("document"))

    async def change(self, action: Callable[[], T]) -> T:
        """Run something that changes the datapath, in turn with commits."""
        return await self._in_worker(action)

    async def history_document(self, number: int) -> Document:
        """The document of a commit; 0 is what runs."""
        if number == 0:
            return self.running.document
        return await self._in_worker(lambda: self.store.document(number))

    async def facts(self) -> Facts:
        """The box as it is at this moment."""
        return await asyncio.to_thread(gather)

    async def _in_worker(self, action: Callable[[], T]) -> T:
        # Shielded: a client that goes away in the middle must not leave the end of a commit unseen.
        running = asyncio.get_running_loop().run_in_executor(self._worker, action)
        return await asyncio.shield(running)

    def _resume(self) -> bool:
        """Run the newest entry of history that can be run. False when there is no history."""
        for damage in self.store.damaged:
            log.error("history: %s; skipped", damage)
        if not self.store.entries() and not self.store.damaged:
            return False
        facts = gather()
        for entry in self.store.entries():
            try:
                document = self.store.document(0)
                prepare(document, facts)
            except SnatshError as error:
                log.error("history: %s can't be used: %s; skipped", entry.path, error)
                self.store.skip(entry, str(error))
                continue
            self._committer.adopt(document, facts)
            if self.store.damaged:
                log.error(
                    "running what was committed at %s, the newest that can be used", entry.metadata.time
                )
            return True
        raise StoreError(
            f"none of the {len(self.store.damaged)} entries in {self.store.folder} can be used; the datapath "
            "stays as it is; move the folder away to begin anew"
        )

    def _link_changed(self, name: str, before: LinkState | None, now: LinkState) -> None:
        self._follower.notice(HostChange.VERDICTS)
        self._link_events.follow(self.running.profile)
        self._link_events.tell(name, before, now, self.links.known)
