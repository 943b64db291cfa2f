"""The state of the uplinks. Thin: a link is down while its interface is missing or has no carrier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from snatsh.model.facts import Facts
from snatsh.model.schema import Link


@dataclass(frozen=True, slots=True)
class LinkState:
    """`since` is when it last changed, or when it was first looked at."""

    state: Literal["up", "down"]
    reason: str
    since: datetime


class Links:
    """Every link of the running profile, by name."""

    def __init__(self) -> None:
        self._states: dict[str, LinkState] = {}

    @property
    def states(self) -> Mapping[str, LinkState]:
        return self._states

    def update(self, links: Mapping[str, Link], facts: Facts) -> None:
        """Look at the interfaces again. Links that are no longer configured are forgotten."""
        self._states = {name: self._state(name, link, facts) for name, link in links.items()}

    def _state(self, name: str, link: Link, facts: Facts) -> LinkState:
        state, reason = judge(link, facts)
        before = self._states.get(name)
        since = before.since if before is not None and before.state == state else datetime.now(UTC)
        return LinkState(state, reason, since)


def judge(link: Link, facts: Facts) -> tuple[Literal["up", "down"], str]:
    """The state of a link, and why."""
    known = facts.interfaces.get(link.interface)
    if known is None:
        return "down", f"interface {link.interface} is missing"
    if not known.up:
        return "down", f"interface {link.interface} is down or has no carrier"
    return "up", f"interface {link.interface} has carrier"


def down_links(links: Mapping[str, Link], facts: Facts) -> frozenset[str]:
    """The links that are down on a box like this."""
    return frozenset(name for name, link in links.items() if judge(link, facts)[0] == "down")
