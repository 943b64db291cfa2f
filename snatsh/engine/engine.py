"""The engine: the running configuration, the candidate and the box, kept in step with the datapath.

Coroutines belong to the event loop. Whatever changes the datapath or the history runs in one worker
thread, so that no two changes overlap; the ager and readers have threads of their own.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from snatsh.engine.announce import Announcer, stations
from snatsh.engine.box import gather
from snatsh.engine.candidate import Candidate
from snatsh.engine.commit import Committer, Plan, prepare
from snatsh.engine.errors import Busy, StoreError
from snatsh.engine.links import Links
from snatsh.engine.neighbours import Neighbours
from snatsh.engine.store import Metadata, Store
from snatsh.engine.watcher import Change, Watcher
from snatsh.model.document import Document
from snatsh.model.errors import Problem, SnatshError
from snatsh.model.facts import Facts

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

log = logging.getLogger(__name__)

AGE_SECONDS = 1.0
RETRY_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CommitResult:
    number: int
    warnings: tuple[Problem, ...]
    ended_flows: int
    milliseconds: float


class Engine:
    """One gateway. `start` before anything else."""

    def __init__(self, datapath: Datapath, store: Store) -> None:
        self.datapath = datapath
        self.store = store
        self.links = Links()
        self.candidate = Candidate({})
        self._committer = Committer(datapath, store)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="change")
        self._announcer = Announcer()
        self._neighbours = Neighbours()
        self._committing = False
        self._editing = asyncio.Lock()
        self.listing = asyncio.Lock()  # one copy of the flow table in memory at a time
        self._changes = Change.NONE
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: Watcher | None = None

    @property
    def running(self) -> Plan:
        """What the datapath runs."""
        if self._committer.running is None:
            raise RuntimeError("the engine was not started")
        return self._committer.running

    @property
    def host_name(self) -> str:
        """As configured, else what the box calls itself."""
        return self.running.profile.system.host_name or socket.gethostname()

    async def start(self, profile: Document | None = None) -> None:
        """Run what history says, or `profile` when it says nothing, and keep up with the box from now on."""
        self._watcher = Watcher(self._notice)
        if not await self._in_worker(self._resume):
            metadata = Metadata.now(
                "snatd", "profile", None if profile else "empty profile of the first start"
            )
            await self._in_worker(lambda: self._committer.commit(profile or {}, gather(), metadata))
        self.candidate = Candidate(self.running.document)
        await self._follow()
        self._tasks = [asyncio.create_task(self._keep_up()), asyncio.create_task(self._age())]

    async def close(self) -> None:
        """Stop. The datapath goes on."""
        if self._watcher is not None:
            self._watcher.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._announcer.close()
        await asyncio.to_thread(self._worker.shutdown)

    async def edit(self, change: Callable[[Candidate], None]) -> bool:
        """Change the candidate, one at a time. Whether it differs from what runs afterwards."""
        async with self._editing:
            await asyncio.to_thread(change, self.candidate)
        return self.candidate.changed

    async def commit(
        self, *, check: bool = False, user: str, method: str, comment: str | None = None
    ) -> CommitResult:
        """Make the candidate run. Busy while another commit is at it."""
        if self._committing:
            raise Busy
        self._committing = True
        try:
            return await self._commit(self.candidate.document, check, Metadata.now(user, method, comment))
        finally:
            self._committing = False

    async def _commit(self, document: Document, check: bool, metadata: Metadata) -> CommitResult:
        started = time.monotonic()
        if check:
            warnings = await self._in_worker(lambda: self._committer.check(document, gather()))
            ended = 0
        else:
            done = await self._in_worker(lambda: self._committer.commit(document, gather(), metadata))
            warnings, ended = done.warnings, done.ended_flows
            unedited = self.candidate.document is document
            self.candidate.committed(self.running.document, followed=unedited)
            await self._follow()
        return CommitResult(0, warnings, ended, (time.monotonic() - started) * 1000)

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

    async def _follow(self) -> None:
        """What has to follow every switch and every change of interfaces."""
        plan = self.running
        self.links.update(plan.profile.links, plan.facts)
        self._announcer.update(stations(plan.image.announced, plan.facts))
        await self._in_worker(lambda: self._neighbours.keep(plan.profile, plan.facts, again=True))

    def _refresh(self) -> None:
        """Routes or neighbours changed."""
        self.datapath.refresh_paths()
        self._neighbours.keep(self.running.profile, self.running.facts, again=False)

    def _notice(self, change: Change) -> None:
        self._changes |= change
        self._changed.set()

    async def _keep_up(self) -> None:
        """Follow the box: new paths, other interfaces, links going down and up."""
        told = ""
        while True:
            await self._changed.wait()
            self._changed.clear()
            changes, self._changes = self._changes, Change.NONE
            try:
                if changes & (Change.LINKS | Change.HOOKS):
                    await self._in_worker(lambda: self._committer.reapply(gather()))
                    await self._follow()
                if changes & (Change.LINKS | Change.PATHS):
                    await self._in_worker(self._refresh)
                told = ""
            except Exception as error:
                if str(error) != told:
                    log.error("the datapath can't follow the box: %s; trying again and again", error)
                told = str(error)
                await asyncio.sleep(RETRY_SECONDS)
                self._notice(changes)

    async def _age(self) -> None:
        """Sweep what expired. Only tidies up: the datapath itself takes no expired entry for a live one."""
        told = ""
        while True:
            await asyncio.sleep(AGE_SECONDS)
            try:
                await asyncio.to_thread(self.datapath.age)
                told = ""
            except Exception as error:
                if str(error) != told:
                    log.error("sweeping expired flows: %s", error)
                told = str(error)
