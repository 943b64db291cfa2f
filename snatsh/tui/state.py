# SPDX-License-Identifier: Apache-2.0
"""What the console knows of the gateway."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from snatsh.api.overview import Overview
from snatsh.api.system import Version

REMEMBERED = 300
"""Samples that graphs go back: five minutes."""


@dataclass
class ConsoleState:
    """What every screen shows of the gateway. trouble: why it can't be asked, empty when it can.

    faulty: the console itself met an error that nobody has read yet.
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
    """Figures of the last minutes, by name; None where there was nothing to see."""

    values: dict[str, deque[float | None]] = field(default_factory=dict)

    def add(self, name: str, value: float | None) -> None:
        self.values.setdefault(name, deque(maxlen=REMEMBERED)).append(value)

    def of(self, name: str) -> list[float | None]:
        return list(self.values.get(name, ()))
