# SPDX-License-Identifier: Apache-2.0
"""State of the gateway as the live view knows it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from snatsh.api.overview import Overview
from snatsh.api.system import Version

REMEMBERED = 300
"""Samples that graphs go back: five minutes."""


@dataclass
class ConsoleState:
    """What all screens show. trouble: why snatd cannot be reached, empty when it can.

    faulty: the live view has an error that was not read yet.
    """

    version: Version | None = None
    overview: Overview | None = None
    trouble: str = ""
    gone_at: str = ""
    faulty: bool = False
    modes: list[str] = field(default_factory=list)

    @property
    def role(self) -> str:
        return self.version.role if self.version else "view"


@dataclass
class GraphHistory:
    """Samples of the last minutes, by name; None for a gap."""

    values: dict[str, deque[float | None]] = field(default_factory=dict)

    def add(self, name: str, value: float | None) -> None:
        self.values.setdefault(name, deque(maxlen=REMEMBERED)).append(value)

    def of(self, name: str) -> list[float | None]:
        return list(self.values.get(name, ()))
