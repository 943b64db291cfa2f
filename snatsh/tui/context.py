# SPDX-License-Identifier: Apache-2.0
"""What screens and widgets need of the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, runtime_checkable

from textual.dom import DOMNode
from textual.worker import Worker

from snatsh.api.overview import Overview
from snatsh.api.system import Version
from snatsh.client import Client
from snatsh.tui.faults import Faults
from snatsh.tui.state import ConsoleState, GraphHistory


@runtime_checkable
class Console(Protocol):
    """The app as its screens see it. interval: seconds between two queries."""

    client: Client
    interval: float
    clock: Callable[[], str]
    state: ConsoleState
    series: GraphHistory
    faults: Faults

    def answered(self, version: Version, overview: Overview) -> None:
        """Note an answer of snatd."""

    def unanswered(self, why: str) -> None:
        """Note that snatd did not answer."""

    def failed(self, doing: str, error: Exception) -> None:
        """Report an unexpected error and keep it for the log."""


def console_of(app: object) -> Console:
    """Return the app of a widget by its type."""
    assert isinstance(app, Console)
    return app


def background(node: DOMNode, work: Awaitable[Any], group: str, *, exclusive: bool = False) -> Worker[Any]:
    """Start a worker whose exceptions do not end the app."""

    async def guarded() -> None:
        try:
            await work
        except Exception as error:
            console_of(node.app).failed(group, error)

    return node.run_worker(guarded(), group=group, exclusive=exclusive)
