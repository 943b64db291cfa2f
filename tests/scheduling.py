# SPDX-License-Identifier: Apache-2.0
"""Which process runs which tests: a file of one hook at a time, and of the same hook where there is a choice.

A gateway or rig takes longest to start when it is the first of its hook in the process.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

LONG = ("test_commit_confirmed", "test_demo", "test_keepalived", "test_killed_takeover", "test_loading")
"""Files that take long though they have few tests: they are not left for the end."""
HOOK = re.compile(r"\[(xdp|tc-egress|tc)[]-]")


class ByHook(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return f"{nodeid.partition('::')[0]} {_hook(nodeid)}"

    def _assign_work_unit(self, node: WorkerController) -> None:
        """The next one of the same hook as before, else of one that no process has yet."""
        mine = {_hook_of_unit(unit) for unit in self.assigned_work.get(node, ())}
        taken = {_hook_of_unit(unit) for units in self.assigned_work.values() for unit in units}
        waiting = sorted(self.workqueue, key=lambda unit: not any(name in unit for name in LONG))
        same = [unit for unit in waiting if _hook_of_unit(unit) in mine]
        free = [unit for unit in waiting if _hook_of_unit(unit) not in taken]
        self.workqueue.move_to_end((same or free or waiting)[0], last=False)
        super()._assign_work_unit(node)


def _hook(nodeid: str) -> str:
    return found[1] if (found := HOOK.search(nodeid)) else ""


def _hook_of_unit(unit: str) -> str:
    return unit.rpartition(" ")[2]
