# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between a request and the datapath."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from snatsh.model.errors import SnatshError

_SHOWN = 20


class EngineError(SnatshError):
    """The engine could not do what was asked; what ran before still runs."""


class StoreError(EngineError):
    """The state folder, or a file in it, can't be read or written."""


class AlreadyRunning(EngineError):
    """Another snatd works on the same thing; `pid` says which, 0 = unknown."""

    def __init__(self, what: str, where: Path, pid: int) -> None:
        who = f"another snatd (pid {pid})" if pid else "another snatd"
        super().__init__(f"{who} already runs on the {what} {where}; stop it, or choose another {what}")
        self.pid = pid


class NoSuchEntry(EngineError):
    """History has no entry of this number."""

    def __init__(self, number: int, entries: int) -> None:
        there = f"0 to {entries - 1}" if entries else "none yet"
        super().__init__(f"history {number}: no such entry; expected a number from what there is: {there}")


class NoRescue(EngineError):
    """No rescue configuration was saved."""

    def __init__(self) -> None:
        super().__init__(
            "there is no rescue configuration; save one with `request system configuration rescue save`"
        )


class CommitInProgress(EngineError):
    """Another commit is running."""

    def __init__(self) -> None:
        super().__init__("another commit is running; try again when it is done")


class Conflict(EngineError):
    """A private candidate changed what somebody else has committed differently meanwhile."""

    def __init__(self, changes: Sequence[object]) -> None:
        told = "\n".join(f"  {change}" for change in changes[:_SHOWN])
        more = f"\n  and {len(changes) - _SHOWN:,} more" if len(changes) > _SHOWN else ""
        super().__init__(
            f"the running configuration changed where this one did:\n{told}{more}\n"
            "run `update` to take over what runs under these changes, look at it with `show | compare`, "
            "then commit again"
        )


class CommitError(EngineError):
    """A commit failed at `step` and was undone; `undo_failures` says what could not be."""

    def __init__(self, step: str, reason: str, undo_failures: Sequence[str] = ()) -> None:
        message = f"commit failed while {step}: {reason}"
        if undo_failures:
            message += "; undoing it failed as well: " + "; ".join(undo_failures)
        super().__init__(message)
        self.step = step
        self.undo_failures = tuple(undo_failures)


class StatementFailed(EngineError):
    """Statement number `statement` (0-based) of a request is wrong at token `index`; nothing was changed."""

    def __init__(self, message: str, statement: int, index: int, expected: tuple[str, ...]) -> None:
        super().__init__(message)
        self.statement = statement
        self.index = index
        self.expected = expected


class QueryError(EngineError):
    """A filter of a query is not acceptable."""
