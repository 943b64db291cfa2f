# SPDX-License-Identifier: Apache-2.0
"""Work on two CPUs at the same time, each in a process of its own."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

CPUS = sorted(os.sched_getaffinity(0))[:2]


def together(works: Sequence[Callable[[], list[bytes]]]) -> list[bytes]:
    """What these find, each on a CPU of its own."""
    fork = multiprocessing.get_context("fork")
    answers = []
    for cpu, work in zip(CPUS, works, strict=True):
        mine, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_on, args=(cpu, work, theirs))
        process.start()
        theirs.close()
        answers.append((process, mine))
    found = [frame for _, answer in answers for frame in answer.recv()]
    for process, _ in answers:
        process.join()
    return found


def _on(cpu: int, work: Callable[[], list[bytes]], answer: Connection) -> None:
    os.sched_setaffinity(0, {cpu})
    answer.send(work())


def rounds(seconds: float) -> Iterator[int]:
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        yield number
        number += 1


class Meeting:
    """Two processes wait here for each other, and go on within a microsecond."""

    def __init__(self) -> None:
        self._come: Any = np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), dtype=np.uint64)

    def meet(self, mine: int) -> None:
        """mine: 0 or 1."""
        place, other = 8 * mine, 8 * (1 - mine)  # each in its own cache line
        self._come[place] += 1
        while self._come[other] < self._come[place]:
            pass
