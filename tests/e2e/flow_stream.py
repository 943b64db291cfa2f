# SPDX-License-Identifier: Apache-2.0
"""A bounded stream of new flows, one UDP packet each, and the sources that the server saw."""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from snatsh.lab.namespaces import Namespace
from snatsh.lab.services import ECHO_PORT

STRAGGLERS = 0.5
_ports = itertools.count(10_000)


@dataclass(slots=True)
class Attempt:
    """at: time.monotonic() of its sending. source: the address the server saw, empty when none came back."""

    at: float
    source: str = ""


class Stream:
    """`with Stream(...)`: runs until the block ends, or `most` flows were tried."""

    def __init__(self, client: Namespace, server: str, every: float = 0.01, most: int = 3000) -> None:
        self._client = client
        self._server = server
        self._every = every
        self._most = most
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.attempts: list[Attempt] = []

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def last(self, count: int) -> set[str]:
        """What the newest flows that are old enough to be answered got."""
        old = [one for one in list(self.attempts) if one.at < time.monotonic() - 0.3]
        return {one.source for one in old[-count:]}

    def lost(self) -> list[Attempt]:
        return [one for one in self.attempts if not one.source]

    def gap(self, old: set[str], new: set[str]) -> float:
        """Seconds from the last flow that got an old address to the first of all those that got a new one."""
        moved = next(at for at, one in enumerate(self.attempts) if one.source in new)
        before = [one for one in self.attempts[:moved] if one.source in old]
        settled = [one for one in self.attempts[moved:] if one.source]
        assert before, "no flow got an old address"
        first_return = next((at for at, one in enumerate(settled) if one.source in old), len(settled))
        assert first_return > 10, f"new flows did not stay: {[one.source for one in settled[:20]]}"
        return self.attempts[moved].at - before[-1].at

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        with self._client.entered():
            while not self._stop.is_set() and len(self.attempts) < self._most:
                self._try(selector)
                self._gather(selector, self._every)
            deadline = time.monotonic() + STRAGGLERS
            while (left := deadline - time.monotonic()) > 0:
                self._gather(selector, left)
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        selector.close()

    def _try(self, selector: selectors.BaseSelector) -> None:
        attempt = Attempt(time.monotonic())
        self.attempts.append(attempt)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sender.bind(("", next(_ports)))  # a port that no flow of before has
            sender.sendto(b"x", (self._server, ECHO_PORT))
        except OSError:
            sender.close()
            return
        selector.register(sender, selectors.EVENT_READ, attempt)

    def _gather(self, selector: selectors.BaseSelector, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not selector.get_map():
                time.sleep(left)
                return
            for key, _ in selector.select(left):
                with contextlib.suppress(OSError):  # an ICMP error
                    key.data.source = key.fileobj.recv(512).split()[0].decode()  # type: ignore[union-attr]
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
