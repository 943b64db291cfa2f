# SPDX-License-Identifier: Apache-2.0
"""Errors of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from snatsh.model.errors import SnatshError, StatementError

_SHOWN = 20


class EngineError(SnatshError):
    """A request failed; the running configuration is unchanged."""


class StoreError(EngineError):
    """The state folder, or a file in it, cannot be read or written."""


class AlreadyRunning(EngineError):
    """Another snatd uses the same resource. pid: its process, 0 if unknown."""

    def __init__(self, what: str, where: Path, pid: int) -> None:
        who = f"another snatd (pid {pid})" if pid else "another snatd"
        super().__init__(f"{who} already runs on the {what} {where}; stop it, or choose another {what}")
        self.pid = pid


class NoSuchEntry(EngineError):
    """The history has no entry with this number."""

    def __init__(self, number: int, entries: int) -> None:
        expected = f"expected 0 to {entries - 1}" if entries else "the history is empty"
        super().__init__(f"history {number}: no such entry; {expected}")


class NoRescue(EngineError):
    """No rescue configuration was saved."""

    def __init__(self) -> None:
        super().__init__(
            "there is no rescue configuration; save one with `request system configuration rescue save`"
        )


class CommitInProgress(EngineError):
    """Another commit is in progress."""

    def __init__(self) -> None:
        super().__init__("another commit is in progress; try again later")


class Conflict(EngineError):
    """A private candidate and a commit made meanwhile changed the same statements."""

    def __init__(self, changes: Sequence[object]) -> None:
        listed = "\n".join(f"  {change}" for change in changes[:_SHOWN])
        more = f"\n  and {len(changes) - _SHOWN:,} more" if len(changes) > _SHOWN else ""
        super().__init__(
            f"the running configuration changed where this one did:\n{listed}{more}\n"
            "run `update` to merge the running configuration, check with `show | compare`, commit"
        )


class CommitError(EngineError):
    """A commit failed at `step` and was undone. undo_failures: what could not be undone."""

    def __init__(self, step: str, reason: str, undo_failures: Sequence[str] = ()) -> None:
        message = f"{step} failed: {reason}"
        if undo_failures:
            message += "; undoing it also failed: " + "; ".join(undo_failures)
        super().__init__(message)
        self.step = step
        self.undo_failures = tuple(undo_failures)


class StatementFailed(EngineError):
    """Statement `statement` (from 0) of a request is invalid, for this reason. Nothing was changed."""

    def __init__(self, statement: int, error: StatementError) -> None:
        super().__init__(str(error))
        self.statement = statement
        self.index = error.index
        self.expected = error.expected
        self.names_expected = error.names_expected


class QueryError(EngineError):
    """A query or a filter in it is invalid."""
