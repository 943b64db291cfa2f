"""Steps that are undone in reverse when a later one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from snatsh.engine.errors import CommitError
from snatsh.model.errors import SnatshError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Transaction:
    """Runs steps. An undo is registered before its step runs: it also cleans up after half a step."""

    def __init__(self) -> None:
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def step(self, doing: str, action: Callable[[], T], undo: Callable[[], object] | None = None) -> T:
        """Run an action. CommitError, with everything so far undone, when it fails."""
        if undo is not None:
            self.on_failure(doing, undo)
        try:
            return action()
        except Exception as error:
            if not isinstance(error, SnatshError | OSError):
                log.exception("unexpected failure while %s", doing)
            failures = self._roll_back()
            reason = str(error) or type(error).__name__
            raise CommitError(doing, reason, failures) from error

    def on_failure(self, doing: str, undo: Callable[[], object]) -> None:
        """Register an undo for what has just succeeded."""
        self._undo.append((doing, undo))

    def _roll_back(self) -> list[str]:
        failures = []
        while self._undo:
            doing, undo = self._undo.pop()
            try:
                undo()
            except Exception as error:
                log.exception("undoing %s failed", doing)
                failures.append(f"{doing}: {error}")
        return failures
