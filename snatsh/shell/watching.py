"""`monitor`: the same listings, again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snatsh.model.vocabulary import FLOW_SORTS
from snatsh.shell import operational
from snatsh.shell.answers import Answer, Table
from snatsh.shell.commands import Option, number
from snatsh.shell.pipes import TABLE
from snatsh.shell.registries import OPERATIONAL

if TYPE_CHECKING:
    from snatsh.shell.session import Session

_SECONDS = Option("interval", "Seconds between two looks (default 2)", number(1, 3600))


@dataclass(frozen=True, slots=True)
class Watched(Table):
    refresh: int = 2


def _watched(answer: Answer, interval: int) -> Answer:
    assert isinstance(answer, Table)
    return Watched(answer.data, answer.render, interval)


@OPERATIONAL.command(
    "monitor flows",
    "Watch the flows",
    Option("sort", "Order (default rate)", choices=FLOW_SORTS),
    Option("limit", "How many (default 20)", number(1, 1000)),
    _SECONDS,
    answers=TABLE,
)
def monitor_flows(session: Session, sort: str = "rate", limit: int = 20, interval: int = 2) -> Answer:
    return _watched(operational.show_flows(session, limit=limit, sort=sort), interval)


@OPERATIONAL.command("monitor pools", "Watch the pools", _SECONDS, answers=TABLE)
def monitor_pools(session: Session, interval: int = 2) -> Answer:
    return _watched(operational.show_pools(session), interval)


@OPERATIONAL.command("monitor links", "Watch the links", _SECONDS, answers=TABLE)
def monitor_links(session: Session, interval: int = 2) -> Answer:
    return _watched(operational.show_links(session), interval)


@OPERATIONAL.command("monitor interfaces", "Watch the interfaces", _SECONDS, answers=TABLE)
def monitor_interfaces(session: Session, interval: int = 2) -> Answer:
    return _watched(operational.show_interfaces(session), interval)
