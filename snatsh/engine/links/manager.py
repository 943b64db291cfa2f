# SPDX-License-Identifier: Apache-2.0
"""The state of every link: monitored, or set by an operator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from snatsh.api.links import LinkOrder, LinkStatus
from snatsh.engine.errors import EngineError, StoreError
from snatsh.engine.host.facts import Hop
from snatsh.engine.links.monitor import LinkWatch, fault
from snatsh.engine.links.probes.targets import Target
from snatsh.engine.links.state_machine import Health, Quality
from snatsh.engine.storage.json_record import Record
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop
from snatsh.model.schema.profile import Link, Profile

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Paths:
    """Next hops. silent: unresolved by ARP. routed, unrouted: those of rules that follow the routing table,
    with a route and without one."""

    silent: frozenset[Hop] = frozenset()
    routed: frozenset[Hop] = frozenset()
    unrouted: frozenset[Hop] = frozenset()


class NoSuchLink(EngineError):
    """The running configuration has no link of this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"link {name}: no such link; "
            + (f"expected one of: {', '.join(known)}" if known else "no links are configured")
        )


@dataclass(frozen=True, slots=True)
class LinkState:
    """since: when `state` last changed or the link was first seen. ordered: user who set it manually."""

    state: LinkStatus
    reason: str
    since: datetime
    ordered: str = ""

    @property
    def usable(self) -> bool:
        """Whether new flows may use the link."""
        return self.state in ("up", "degraded")


@dataclass(frozen=True, slots=True)
class ManualState:
    """A state set by an operator, whatever the health of the link."""

    order: Literal["down", "drain"]
    user: str


class LinkRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The state of a link in the file. falls: how often it went down lately."""

    state: LinkStatus
    since: Annotated[datetime, msgspec.Meta(tz=True)]
    falls: Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]
    order: Literal["down", "drain"] | None = None
    user: str = ""


Changed = Callable[[str, LinkState | None, LinkState], None]
"""Receives the name of a link, its previous state (None for a new link) and its state."""


class LinkManager:
    """The links of the running profile, by name. Belongs to the event loop, except `down_in`."""

    def __init__(self, record: Record[dict[str, LinkRecord]], changed: Changed) -> None:
        self._record = record
        self._changed = changed
        self._states: dict[str, LinkState] = {}
        self._watches: dict[str, LinkWatch] = {}
        self._orders: dict[str, ManualState] = {}
        self._before: dict[str, LinkState] = {}
        self._falls: dict[str, int] = {}
        self._paths = Paths()
        self._had_route: dict[Hop, int] = {}
        self._unsaved = False
        self._saving = asyncio.Lock()
        self._load()

    @property
    def states(self) -> Mapping[str, LinkState]:
        """Current states, with current reasons."""
        return {name: self._stated(name) for name in self._states}

    @property
    def known(self) -> Mapping[str, LinkState]:
        """States as last reported."""
        return self._states

    @property
    def orders(self) -> Mapping[str, ManualState]:
        """What operators ordered, by link."""
        return self._orders

    def quality(self, name: str) -> Quality | None:
        return self._watches[name].quality if name in self._watches else None

    def targets(self, name: str) -> list[Target]:
        return self._watches[name].targets if name in self._watches else []

    def down_in(self, profile: Profile, facts: Facts) -> frozenset[str]:
        """Return the links of a profile that new flows must not use. Callable from any thread."""
        watches, states = self._watches, self._states
        down = set()
        for name, link in profile.links.items():
            watch, state = watches.get(name), states.get(name)
            if watch is None or state is None or not _same_path(watch.link, link):
                usable = not fault(link, facts) and name not in self._orders
                before = self._before.get(name)
                usable = usable and (before is None or before.usable)
            else:
                usable = state.usable
            if not usable:
                down.add(name)
        return frozenset(down)

    def update(self, links: Mapping[str, Link], facts: Facts, paths: Paths | None = None) -> None:
        """Follow the profile and the host. Links that are no longer configured are removed.

        paths: None to keep the last ones.
        """
        if paths is not None:
            self._paths = paths
            self._note_routes(facts)
        watches = {}
        for name, link in links.items():
            watch = self._watches.get(name)
            if watch is None or watch.link != link:
                watch = self._watch(name, link, watch)
            watches[name] = watch
        gone = {name: watch for name, watch in self._watches.items() if name not in watches}
        self._watches = watches
        for name, watch in gone.items():
            watch.close()
            self._states.pop(name, None)
        self._drop_orders(watches.keys())
        for name, watch in watches.items():
            hop = next_hop(watch.link, facts)
            watch.follow(facts, self._path_fault((watch.link.interface, hop)) if hop is not None else "")
            self._settle(name)
        self._unsaved |= bool(gone)

    async def order(self, name: str, order: LinkOrder, user: str) -> LinkState:
        """Set a link manually; order `up` returns it to monitoring. Survives a restart."""
        if name not in self._watches:
            raise NoSuchLink(name, sorted(self._watches))
        before = dict(self._orders)
        if order == "up":
            self._orders.pop(name, None)
        else:
            self._orders[name] = ManualState(order, user)
        try:
            await self._save()
        except StoreError:
            self._orders = before
            raise
        self._settle(name)
        return self._states[name]

    def close(self) -> None:
        for watch in self._watches.values():
            watch.close()
        self._watches = {}

    def _drop_orders(self, links: Set[str]) -> None:
        """Let orders end whose link does not run, or never ran since the start."""
        for name in self._orders.keys() - links:
            ended = self._orders.pop(name)
            log.warning("link %s: order %s of %s ends: no such link runs", name, ended.order, ended.user)
            self._unsaved = True

    def _note_routes(self, facts: Facts) -> None:
        """Remember next hops that had a route. A recreated interface, as of PPP, starts without."""
        indices = {name: known.index for name, known in facts.interfaces.items()}
        had = {hop: index for hop, index in self._had_route.items() if indices.get(hop[0]) == index}
        self._had_route = had | {hop: indices[hop[0]] for hop in self._paths.routed if hop[0] in indices}

    def _path_fault(self, hop: Hop) -> str:
        """Return the fault of a next hop, empty if none. Without a route ever, it may serve redirects."""
        if hop in self._paths.silent:
            return f"next hop {hop[1]} does not reply to ARP"
        if hop in self._paths.unrouted and hop in self._had_route:
            return f"no route goes by next hop {hop[1]} any more"
        return ""

    def _watch(self, name: str, link: Link, old: LinkWatch | None) -> LinkWatch:
        health = Health()
        if old is not None:
            old.close()
            if _same_path(old.link, link):
                health = old.health
        elif (before := self._before.get(name)) is not None and before.state == "down":
            # It was down when snatd stopped: it has to pass its hold-down first.
            health = Health(up=False, falls=max(1, self._falls.get(name, 1)))
        return LinkWatch(link, lambda: self._settle(name), health)

    def _settle(self, name: str) -> None:
        """Report the link if its state changed."""
        if name not in self._watches:
            return
        before, now = self._states.get(name), self._stated(name)
        self._states[name] = now
        if before is not None and before.state == now.state:
            return
        known = before or self._before.pop(name, None)
        self._unsaved = True
        self._changed(name, known, now)

    def _stated(self, name: str) -> LinkState:
        verdict, ordered = self._watches[name].verdict, self._orders.get(name)
        state: LinkStatus = "down" if not verdict.up else "degraded" if verdict.degraded else "up"
        reason, who = verdict.reason, ""
        if ordered is not None:
            state = "down" if ordered.order == "down" else "drained"
            reason, who = f"by order of {ordered.user}; else {reason}", ordered.user
        before = self._states.get(name) or self._before.get(name)
        since = before.since if before is not None and before.state == state else datetime.now(UTC)
        return LinkState(state, reason, since, who)

    def _load(self) -> None:
        read = self._record.read(lambda rows: [(name, row, _since(row)) for name, row in rows.items()])
        for name, row, since in read or []:
            self._before[name] = LinkState(row.state, "", since)
            self._falls[name] = row.falls
            if row.order is not None:
                self._orders[name] = ManualState(row.order, row.user)

    async def keep(self) -> None:
        """Save changed states, so that a restart continues with them."""
        if not self._unsaved:
            return
        self._unsaved = False
        try:
            await self._save()
        except StoreError as error:
            log.error("link states cannot be saved for a restart: %s", error)

    async def _save(self) -> None:
        async with self._saving:  # orders and events may coincide
            rows = {name: self._row(name) for name in self._watches}
            await asyncio.to_thread(self._record.write, rows or None)

    def _row(self, name: str) -> LinkRecord:
        state, ordered = self._states.get(name) or self._stated(name), self._orders.get(name)
        verdict = self._watches[name].verdict
        order, user = (ordered.order, ordered.user) if ordered else (None, "")
        return LinkRecord(state.state if verdict.up else "down", state.since, verdict.falls, order, user)


def _since(row: LinkRecord) -> datetime:
    """Return when the state began; the clock may have been set back since, so never a future time."""
    return min(row.since.astimezone(UTC), datetime.now(UTC))


def _same_path(one: Link, other: Link) -> bool:
    return (one.interface, one.next_hop) == (other.interface, other.next_hop)
