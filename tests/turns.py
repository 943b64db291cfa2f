# SPDX-License-Identifier: Apache-2.0
"""Turns of the processes that run tests: a test that measures time or CPU has the machine to itself."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    """A lock that many share or one holds. Who waits for it holds the gate, so that others queue behind."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._gate = folder / "tests-gate.lock"
        self._room = folder / "tests-room.lock"

    @contextmanager
    def taken(self, alone: bool) -> Iterator[None]:
        with self._gate.open("w") as gate, self._room.open("w") as room:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            fcntl.flock(gate, fcntl.LOCK_UN)
            yield
