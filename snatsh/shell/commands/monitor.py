# SPDX-License-Identifier: Apache-2.0
"""`monitor`: listings that refresh."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from snatsh.api.codec import builtins, from_builtins
from snatsh.api.flows import FLOW_FIELDS
from snatsh.api.interfaces import InterfaceRow
from snatsh.interpreter import run_module
from snatsh.shell.commands import operational
from snatsh.shell.core.answers import TABLE, Answer, Message, ShellError, TableAnswer
from snatsh.shell.core.command import CommandSet, Option
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import number
from snatsh.shell.render import tables
from snatsh.shell.render.tables import InterfaceTraffic

T = TypeVar("T")

OPERATIONAL = CommandSet()
OPERATIONAL_ONLY = CommandSet()


_COUNTERS = ("packets_in", "bytes_in", "packets_out", "bytes_out")
_SECONDS = Option("interval", "Refresh interval in seconds (default 2)", number(1, 3600))


@dataclass(frozen=True, slots=True)
class Watched(TableAnswer[T]):
    refresh: int = 2


def _watched(answer: Answer, interval: int) -> Answer:
    assert isinstance(answer, TableAnswer)
    return Watched(answer.data, answer.render, interval)


@OPERATIONAL.command(
    "monitor flows",
    "Monitor flows",
    Option("sort", "Sort order (default rate)", choices=FLOW_FIELDS.sorts),
    Option("limit", "Maximum number of flows (default 20)", number(1, 1000)),
    _SECONDS,
    answers=TABLE,
)
def monitor_flows(session: Session, sort: str = "rate", limit: int = 20, interval: int = 2) -> Answer:
    return _watched(operational.show_flows(session, limit=limit, sort=sort), interval)


@OPERATIONAL.command("monitor pools", "Monitor pools", _SECONDS, answers=TABLE)
def monitor_pools(session: Session, interval: int = 2) -> Answer:
    return _watched(operational.show_pools(session), interval)


@OPERATIONAL.command("monitor links", "Monitor links", _SECONDS, answers=TABLE)
def monitor_links(session: Session, interval: int = 2) -> Answer:
    return _watched(operational.show_links(session), interval)


@OPERATIONAL.command("monitor interfaces", "Monitor interface traffic", _SECONDS, answers=TABLE)
def monitor_interfaces(session: Session, interval: int = 2) -> Answer:
    now, rows = time.monotonic(), session.client.interfaces()
    before, earlier = session.looked if session.repeating else (now, ())
    session.looked = (now, rows)
    return Watched(_with_rates(rows, earlier, now - before), tables.interface_traffic, interval)


def _with_rates(
    rows: Sequence[InterfaceRow], earlier: Sequence[InterfaceRow], seconds: float
) -> list[InterfaceTraffic]:
    known = {row.name: row for row in earlier}
    return [
        from_builtins({**builtins(row), "rates": _rates(row, known.get(row.name), seconds)}, InterfaceTraffic)
        for row in rows
    ]


def _rates(row: InterfaceRow, before: InterfaceRow | None, seconds: float) -> dict[str, float]:
    found = {}
    for name in _COUNTERS:
        now, then = getattr(row, name), getattr(before, name, None)
        if now is not None and then is not None:
            found[name] = max(0, now - then) / seconds
    return found


@OPERATIONAL_ONLY.command("monitor dashboard", "Open the live view")
def monitor_dashboard(session: Session) -> Answer:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ShellError("monitor dashboard: expected a terminal; use `snatsh top --once --json` in scripts")
    command = run_module("snatsh.tui", "--socket", str(session.client.path))
    with session.terminal.released():
        status = subprocess.run(command, check=False).returncode
    if status:
        raise ShellError(f"monitor dashboard: live view exited with status {status}")
    return Message("")
