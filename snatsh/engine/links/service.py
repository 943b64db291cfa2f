# SPDX-License-Identifier: Apache-2.0
"""Links for consoles: state, probe results, past changes, and manual control."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from snatsh.api.links import LinkChange, LinkOrder, LinkRow, LinkSeries, LinkSummary
from snatsh.engine.config.commit import Plan
from snatsh.engine.links.events import LinkEvents
from snatsh.engine.links.history import LinkHistory
from snatsh.engine.links.manager import LinkManager, LinkRecord, LinkState
from snatsh.engine.links.rows import link_rows, link_series
from snatsh.engine.notices import Notices
from snatsh.engine.storage.json_record import Record


class LinkService:
    """changed: called when the state of a link changed, before anything else learns of it.

    launcher: the socket to the launcher of the event hook.
    """

    def __init__(
        self,
        folder: Path,
        notices: Notices,
        running: Callable[[], Plan],
        changed: Callable[[], None],
        launcher: socket.socket,
    ) -> None:
        lost = "the states of links, and orders to drain them or take them down"
        self.record = Record(folder / "links.json", dict[str, LinkRecord], lost)
        self.manager = LinkManager(self.record, self._state_changed)
        self._history = LinkHistory(folder / "links.log")
        self._events = LinkEvents(notices, self._history, launcher)
        self._running = running
        self._changed = changed

    @property
    def states(self) -> Mapping[str, LinkState]:
        return self.manager.states

    def rows(self) -> list[LinkRow]:
        return link_rows(self._running(), self.manager)

    def summary(self) -> list[LinkSummary]:
        """List the links with their state alone."""
        return [LinkSummary(name, link.state) for name, link in sorted(self.states.items())]

    def series(self) -> list[LinkSeries]:
        """List the newest probe results of every target."""
        return link_series(self._running(), self.manager)

    def changes(self, link: str, limit: int) -> list[LinkChange]:
        """List state changes of one link or of all, newest first."""
        return self._history.newest(link, limit)

    async def order(self, name: str, order: LinkOrder, user: str) -> LinkState:
        """Set a link down, drain it, or return it to automatic control."""
        return await self.manager.order(name, order, user)

    async def close(self) -> None:
        await self._events.close()

    def _state_changed(self, name: str, before: LinkState | None, now: LinkState) -> None:
        self._changed()
        self._events.follow(self._running().profile)
        self._events.report(name, before, now, self.manager.known)
