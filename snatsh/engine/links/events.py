# SPDX-License-Identifier: Apache-2.0
"""Report changes of link state: to the log, the consoles, the history and the event hook."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

from snatsh.api.links import LinkChange
from snatsh.engine.links.history import LinkHistory
from snatsh.engine.links.hook import HookRunner, LinkEvent
from snatsh.engine.links.manager import LinkState
from snatsh.engine.notices import Notices
from snatsh.model.schema.profile import Profile

log = logging.getLogger(__name__)


class LinkEvents:
    def __init__(self, notices: Notices, history: LinkHistory, launcher: socket.socket) -> None:
        self._history = history
        self._notices = notices
        self._hook = HookRunner(launcher)

    def follow(self, profile: Profile) -> None:
        """Use the event hook of the profile that runs now."""
        self._hook.settings = profile.system.event_hook

    def report(
        self, name: str, before: LinkState | None, now: LinkState, states: Mapping[str, LinkState]
    ) -> None:
        """Report a change. A link that is up when first seen is reported to the hook alone."""
        if before is None or before.state != now.state:
            self._hook.put(_event(name, before, now, states))
        self._keep(name, before, now)
        if before is None and now.state == "up":
            return
        text = f"link {name} is {now.state}: {now.reason}"
        (log.info if now.state == "up" else log.warning)("%s", text)
        self._notices.post("link", text)

    def _keep(self, name: str, before: LinkState | None, now: LinkState) -> None:
        """Record a change in the history, where a restart of snatd is none."""
        last = self._history.newest(name, 1)
        was = before.state if before else last[0].state if last else ""
        if was != now.state:
            time = now.since.isoformat(timespec="seconds")
            self._history.add(LinkChange(time, name, now.state, was, now.reason))

    async def close(self) -> None:
        await self._hook.close()


def _event(name: str, before: LinkState | None, now: LinkState, states: Mapping[str, LinkState]) -> LinkEvent:
    return LinkEvent(
        link=name,
        state=now.state,
        before=before.state if before else "",
        reason=now.reason,
        time=now.since.isoformat(timespec="milliseconds"),
        usable=sum(state.usable for state in states.values()),
        links=len(states),
    )
