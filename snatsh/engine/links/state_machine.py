# SPDX-License-Identifier: Apache-2.0
"""When a link counts as up: from answers to probes to a verdict. Pure: the clock is an argument.

A target changes after so many results in a row that speak against it. A link goes down at once when
something it needs is missing, and comes back when nothing was missing for its hold-down without a break.
Each time it goes down again soon, the hold-down doubles, up to a limit: a flapping link is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

SAMPLES = 50
"""Results of a target that loss and round-trip time are worked out from."""

ENOUGH = 10
"""With fewer results than this, nothing is said of loss and round-trip time."""


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """Whether a target is reached. against: results in a row that say otherwise."""

    up: bool = True
    against: int = 0


def heard(reach: TargetHealth, answered: bool, fail: int, rise: int) -> TargetHealth:
    """One more result of a probe."""
    if answered == reach.up:
        return replace(reach, against=0)
    if reach.against + 1 >= (rise if answered else fail):
        return TargetHealth(answered)
    return replace(reach, against=reach.against + 1)


@dataclass(frozen=True, slots=True)
class Hold:
    """Seconds a link has to be well before it is used again; the limit of doubling it."""

    seconds: float
    limit: float

    def after(self, falls: int) -> float:
        """The hold-down after so many falls in a row."""
        if falls == 0:
            return 0.0
        return float(min(self.seconds * 2 ** min(falls - 1, 32), max(self.limit, self.seconds)))


@dataclass(frozen=True, slots=True)
class Health:
    """up_since: None from the start on. well_since: while down, since when nothing is missing.

    falls: how often it went down with too little time between to be forgiven.
    """

    up: bool = True
    up_since: float | None = None
    well_since: float | None = None
    falls: int = 0

    def due(self, hold: Hold) -> float | None:
        """When it comes up if nothing changes; None when it does not."""
        if self.up or self.well_since is None:
            return None
        return self.well_since + hold.after(self.falls)


def step(health: Health, well: bool, now: float, hold: Hold) -> Health:
    """The health at `now`, with everything there that the link needs, or not."""
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
    """Falls that still count: none once the link stayed up for as long as the longest hold-down."""
    if health.up_since is None or now - health.up_since >= max(hold.limit, hold.seconds):
        return 0
    return health.falls


@dataclass(frozen=True, slots=True)
class Quality:
    """loss: a share of 1. rtt: mean in seconds, None without an answer."""

    loss: float
    rtt: float | None


def quality(results: Iterable[float | None]) -> Quality | None:
    """Of the newest results, None for a lost one; None while there are too few to say."""
    newest = list(results)
    if len(newest) < ENOUGH:
        return None
    answers = [rtt for rtt in newest if rtt is not None]
    return Quality(1 - len(answers) / len(newest), sum(answers) / len(answers) if answers else None)


def worst_needed(qualities: Iterable[Quality], needed: int) -> Quality | None:
    """What the link is judged by: the worst of the best `needed` targets, for each figure."""
    found = list(qualities)
    if len(found) < needed or not found:
        return None
    losses = sorted(quality.loss for quality in found)
    times = sorted(quality.rtt for quality in found if quality.rtt is not None)
    return Quality(losses[needed - 1], times[needed - 1] if len(times) >= needed else None)


CALM = 0.8
"""A degraded link is well again below this share of what made it so."""


def degraded(before: str, found: Quality | None, loss: float | None, rtt: float | None) -> str:
    """Why a link is degraded, empty when it is not.

    before: what was said last. loss: the share from which it is. rtt: the same in seconds.
    """
    if found is None:
        return ""
    ease = CALM if before else 1.0
    if loss is not None and found.loss >= loss * ease:
        return f"{found.loss:.0%} of the probes are lost"
    if rtt is not None and found.rtt is not None and found.rtt >= rtt * ease:
        return f"answers take {found.rtt * 1000:.0f} ms"
    return ""
