# SPDX-License-Identifier: Apache-2.0
"""What of the host translated packets pass by: for the alarms, and for the log when it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from snatsh.engine.box.watch import BoxWatch
from snatsh.engine.config.commit import Plan
from snatsh.engine.failure_log import FailureLog
from snatsh.model.errors import SnatshError
from snatsh.model.validate.box import BoxFinding, Mode, box_findings

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0


class BoxStatus:
    """running: the plan that the datapath runs. modes: by interface the hook that is attached."""

    def __init__(
        self, watch: BoxWatch, running: Callable[[], Plan], modes: Callable[[], Mapping[str, Mode]]
    ) -> None:
        self._watch = watch
        self._running = running
        self._modes = modes
        self._logged: frozenset[BoxFinding] = frozenset()
        self._failures = FailureLog(log, logging.WARNING)

    def findings(self, modes: Mapping[str, Mode]) -> list[BoxFinding]:
        """Return what is passed by with these hooks. EngineError."""
        plan = self._running()
        if plan.profile.system.datapath == "disabled":
            return []
        facts = replace(plan.facts, box=self._watch.look())
        return list(box_findings(plan.profile, facts, lambda name: modes.get(name, "tc")))

    async def run(self) -> None:
        """Log what is new and what is over."""
        before = None
        while True:
            try:
                seen = (await asyncio.to_thread(self._watch.look), self._running())
                if seen != before:
                    self._log(await asyncio.to_thread(lambda: self.findings(self._modes())))
                    before = seen
                self._failures.succeeded()
            except SnatshError as error:
                self._failures.failed(f"{error}")
            await asyncio.sleep(WATCH_SECONDS)

    def _log(self, found: Iterable[BoxFinding]) -> None:
        now = frozenset(found)
        for finding in sorted(now - self._logged, key=str):
            log.warning("%s", finding)
        for finding in sorted(self._logged - now, key=str):
            log.info("no longer: %s", finding)
        self._logged = now
