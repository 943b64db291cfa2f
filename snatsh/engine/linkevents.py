"""Tells of links that change: to the log and to consoles."""

from __future__ import annotations

import logging

from snatsh.engine.links import LinkState
from snatsh.engine.notices import Notices

log = logging.getLogger(__name__)


class LinkEvents:
    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def tell(self, name: str, before: LinkState | None, now: LinkState) -> None:
        """A link changed its state. One that is well when it is first seen is no news."""
        if before is None and now.state == "up":
            return
        text = f"link {name} is {now.state}: {now.reason}"
        (log.info if now.state == "up" else log.warning)("%s", text)
        self._notices.post(text)

    async def close(self) -> None:
        """Nothing is left under way."""
