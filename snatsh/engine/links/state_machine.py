# SPDX-License-Identifier: Apache-2.0
"""The state machine of links: from probe results to a verdict. Pure: the clock is an argument.

A target changes state after a number of consecutive results against it. A link goes down as soon as
something it needs is missing, and comes up after nothing was missing for its whole hold-down.
The hold-down doubles each time the link fails again soon, up to a limit, which dampens flapping.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

SAMPLES = 50
"""Results of a target from which loss and round-trip time are computed."""

ENOUGH = 10
"""Fewest results from which loss and round-trip time are computed."""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """Whether a target is reachable. against: consecutive results to the contrary."""

    up: bool = True
    against: int = 0


def heard(reach: TargetHealth, replied: bool, fail: int, rise: int) -> TargetHealth:
    """Apply one probe result."""
    if replied == reach.up:
        return replace(reach, against=0)
    if reach.against + 1 >= (rise if replied else fail):
        return TargetHealth(replied)
    return replace(reach, against=reach.against + 1)


@dataclass(frozen=True, slots=True)
class Hold:
    """seconds: time without a fault before a link comes up. limit: maximum after doubling."""

    seconds: float
    limit: float

    def after(self, falls: int) -> float:
        """Return the hold-down after a number of consecutive failures."""
        if falls == 0:
            return 0.0
        return float(min(self.seconds * 2 ** min(falls - 1, 32), max(self.limit, self.seconds)))


@dataclass(frozen=True, slots=True)
class Health:
    """up_since: None if up since the start. well_since: while down, since when there is no fault.

    falls: consecutive failures.
    """

    up: bool = True
    up_since: float | None = None
    well_since: float | None = None
    falls: int = 0

    def due(self, hold: Hold) -> float | None:
        """Return when the link comes up if nothing changes; None if it does not."""
        if self.up or self.well_since is None:
            return None
        return self.well_since + hold.after(self.falls)


def step(health: Health, well: bool, now: float, hold: Hold) -> Health:
    """Return the health at `now`. well: nothing that the link needs is missing."""
    if health.up:
        return health if well else Health(up=False, falls=_forgiven(health, now, hold) + 1)
    if not well:
        return replace(health, well_since=None)
    health = replace(health, well_since=now if health.well_since is None else health.well_since)
    due = health.due(hold)
    if due is not None and now >= due:
        return Health(up=True, up_since=now, falls=health.falls)
    return health


def _forgiven(health: Health, now: float, hold: Hold) -> int:
    """Return the failures that still count: none after the link was up for the longest hold-down."""
    if health.up_since is None or now - health.up_since >= max(hold.limit, hold.seconds):
        return 0
    return health.falls


@dataclass(frozen=True, slots=True)
class Quality:
    """loss: share, 0 to 1. rtt: mean in seconds, None without a reply."""

    loss: float
    rtt: float | None


def quality(results: Iterable[float | None]) -> Quality | None:
    """Compute the quality from results, where None is a lost probe. None for too few results."""
    newest = list(results)
    if len(newest) < ENOUGH:
        return None
    replies = [rtt for rtt in newest if rtt is not None]
    return Quality(1 - len(replies) / len(newest), sum(replies) / len(replies) if replies else None)


def worst_needed(qualities: Iterable[Quality], needed: int) -> Quality | None:
    """Return, for each figure, the worst among the best `needed` targets."""
    found = list(qualities)
    if len(found) < needed or not found:
        return None
    losses = sorted(quality.loss for quality in found)
    times = sorted(quality.rtt for quality in found if quality.rtt is not None)
    return Quality(losses[needed - 1], times[needed - 1] if len(times) >= needed else None)


CALM = 0.8
"""A degraded link recovers below this share of its threshold."""


def degraded(before: str, found: Quality | None, loss: float | None, rtt: float | None) -> str:
    """Return why a link is degraded, empty if it is not.

    before: the last result. loss: threshold, 0 to 1. rtt: threshold in seconds.
    """
    if found is None:
        return ""
    ease = CALM if before else 1.0
    if loss is not None and found.loss >= loss * ease:
        return f"{found.loss:.0%} of the probes are lost"
    if rtt is not None and found.rtt is not None and found.rtt >= rtt * ease:
        return f"the round-trip time is {found.rtt * 1000:.0f} ms"
    return ""
