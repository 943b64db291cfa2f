# SPDX-License-Identifier: Apache-2.0
"""Transactions: steps that are undone in reverse order when a later one fails."""

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
    """A step and how long it took."""

    doing: str
    milliseconds: float


class Transaction:
    """Runs steps. An undo is registered before its step, so that it also cleans up a partial one."""

    def __init__(self) -> None:
        self.steps: list[TimedStep] = []
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def step(self, doing: str, action: Callable[[], T], undo: Callable[[], object] | None = None) -> T:
        """Run an action. CommitError if it fails, with all steps undone."""
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
        """Time a step that needs no undo. Its errors are raised unchanged."""
        started = time.monotonic()
        yield
        self.steps.append(TimedStep(doing, (time.monotonic() - started) * 1000))

    def on_failure(self, doing: str, undo: Callable[[], object]) -> None:
        """Register an undo for a step that succeeded."""
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
