"""What goes wrong that nobody foresaw: it is told and kept for the log, and the console goes on."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from textual.dom import DOMNode
from textual.worker import Worker

from snatsh.tui.top import top_of

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """time: UTC, as in all logs. trace: where it happened."""

    time: str
    text: str
    trace: str


class Faults:
    """The newest ones. One that comes again and again, look by look, is kept once."""

    def __init__(self) -> None:
        self.kept: deque[Fault] = deque(maxlen=_KEPT)

    @property
    def last(self) -> Fault | None:
        return self.kept[-1] if self.kept else None

    def add(self, doing: str, error: BaseException) -> Fault:
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        text = f"{doing}: {type(error).__name__}: {error}"
        fault = Fault(now, text, "".join(traceback.format_exception(error)))
        if self.last is None or self.last.text != text:
            self.kept.append(fault)
        return fault


def background(node: DOMNode, work: Awaitable[Any], group: str, *, exclusive: bool = False) -> Worker[Any]:
    """A worker whose exceptions do not end the app."""

    async def guarded() -> None:
        try:
            await work
        except Exception as error:
            top_of(node.app).failed(group, error)

    return node.run_worker(guarded(), group=group, exclusive=exclusive)
