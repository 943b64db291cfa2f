# SPDX-License-Identifier: Apache-2.0
"""Links as the API lists them."""

from __future__ import annotations

from snatsh.api.links import LinkRow, LinkSeries, TargetSeries
from snatsh.engine.config.commit import Plan
from snatsh.engine.links.manager import LinkManager, LinkState
from snatsh.engine.links.probes.targets import Target
from snatsh.engine.links.state_machine import Quality
from snatsh.model.next_hops import next_hop


def link_rows(plan: Plan, links: LinkManager) -> list[LinkRow]:
    """List the links. rtt and loss are None after too few probes."""
    states = links.states
    moved: dict[str, list[int]] = {}
    for image in plan.image.rules:
        for name in image.selection.instead_of if image.selection else ():
            moved.setdefault(name, []).append(image.number)
    rows = []
    for name, link in sorted(plan.profile.links.items()):
        if name in states:
            hop = str(next_hop(link, plan.facts) or "")
            quality = links.quality(name)
            rows.append(_row(name, link.interface, hop, states[name], quality, moved.get(name, [])))
    return rows


def _row(
    name: str, interface: str, hop: str, state: LinkState, quality: Quality | None, moved: list[int]
) -> LinkRow:
    rtt = quality.rtt if quality else None
    return LinkRow(
        name=name,
        interface=interface,
        next_hop=hop,
        state=state.state,
        since=state.since.isoformat(timespec="seconds"),
        reason=state.reason,
        ordered=state.ordered,
        rtt=_milliseconds(rtt),
        loss=round(quality.loss * 100, 1) if quality else None,
        failed_over=moved,
    )


def link_series(plan: Plan, links: LinkManager) -> list[LinkSeries]:
    """List probe results by target, oldest first."""
    return [
        LinkSeries(name, link.monitor.interval, [_target_series(target) for target in links.targets(name)])
        for name, link in sorted(plan.profile.links.items())
        if link.monitor is not None
    ]


def _target_series(target: Target) -> TargetSeries:
    results = [_milliseconds(rtt) for rtt in target.results]
    return TargetSeries(target.kind, target.address, target.reach.up, results)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
