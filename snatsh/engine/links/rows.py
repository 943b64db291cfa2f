# SPDX-License-Identifier: Apache-2.0
"""Links as the API lists them."""

from __future__ import annotations

from typing import Any

from snatsh.engine.config.commit import Plan
from snatsh.engine.links.manager import LinkManager
from snatsh.engine.links.probes.targets import Target
from snatsh.engine.links.state_machine import Quality
from snatsh.model.next_hops import next_hop

Row = dict[str, Any]


def link_rows(plan: Plan, links: LinkManager) -> list[Row]:
    """List the links. rtt: mean milliseconds, loss: percent; null after too few probes."""
    states = links.states
    moved: dict[str, list[int]] = {}
    for image in plan.image.rules:
        for name in image.ways.instead_of if image.ways else ():
            moved.setdefault(name, []).append(image.number)
    return [
        {
            "name": name,
            "interface": link.interface,
            "next_hop": str(next_hop(link, plan.facts) or ""),
            "state": states[name].state,
            "since": states[name].since.isoformat(timespec="seconds"),
            "reason": states[name].reason,
            "ordered": states[name].ordered,
            **_quality(links.quality(name)),
            "failed_over": moved.get(name, []),
        }
        for name, link in sorted(plan.profile.links.items())
        if name in states
    ]


def _quality(found: Quality | None) -> Row:
    if found is None:
        return {"rtt": None, "loss": None}
    rtt = round(found.rtt * 1000, 3) if found.rtt is not None else None
    return {"rtt": rtt, "loss": round(found.loss * 100, 1)}


def link_series(plan: Plan, links: LinkManager) -> list[Row]:
    """List probe results by target, oldest first: round-trip milliseconds, null for a lost probe."""
    rows = []
    for name, link in sorted(plan.profile.links.items()):
        if link.monitor is not None:
            targets = [_target_series(target) for target in links.targets(name)]
            rows.append({"name": name, "interval": link.monitor.interval, "targets": targets})
    return rows


def _target_series(target: Target) -> Row:
    results = [None if rtt is None else round(rtt * 1000, 3) for rtt in target.results]
    return {"kind": target.kind, "address": target.address, "up": target.reach.up, "results": results}
