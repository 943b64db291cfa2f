# SPDX-License-Identifier: Apache-2.0
"""Steps that are undone in reverse when a later one fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from snatsh.engine.errors import CommitError
from snatsh.model.errors import SnatshError

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TimedStep:
    """What was done, and how long it took."""

    doing: str
    milliseconds: float


class Transaction:
    """Runs steps. An undo is registered before its step runs: it also cleans up after half a step."""

    def __init__(self) -> None:
        self.steps: list[TimedStep] = []
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def step(self, doing: str, action: Callable[[], T], undo: Callable[[], object] | None = None) -> T:
        """Run an action. CommitError, with everything so far undone, when it fails."""
        if undo is not None:
            self.on_failure(doing, undo)
        try:
            with self.timed(doing):
                return action()
        except Exception as error:
            if not isinstance(error, SnatshError | OSError):
                log.exception("unexpected failure while %s", doing)
            failures = self._roll_back()
            reason = str(error) or type(error).__name__
            raise CommitError(doing, reason, failures) from error

    @contextmanager
    def timed(self, doing: str) -> Iterator[None]:
        """A step that there is nothing to undo of yet, and whose errors are its own."""
        started = time.monotonic()
        yield
        self.steps.append(TimedStep(doing, (time.monotonic() - started) * 1000))

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
