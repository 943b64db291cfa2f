# SPDX-License-Identifier: Apache-2.0
"""Rules for consoles: as configured, their counters, their rates, and where failover moved them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import Image, RuleImage
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows.snapshot import Snapshots
from snatsh.engine.flows.table_reader import TableReader
from snatsh.engine.links.manager import LinkState
from snatsh.engine.status.totals import Totals, rule_growth

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath, RuleCounter

Row = dict[str, Any]
LinkStates = Callable[[], Mapping[str, LinkState]]


class RuleService:
    """running: the plan that the datapath runs. states: of the links, by name."""

    def __init__(
        self,
        datapath: Datapath,
        table: TableReader,
        snapshots: Snapshots,
        totals: Totals,
        running: Callable[[], Plan],
        states: LinkStates,
    ) -> None:
        self._counters = datapath.rule_counters
        self._table = table
        self._snapshots = snapshots
        self._totals = totals
        self._running = running
        self._states = states

    async def rows(self) -> list[Row]:
        """List the rules in matching order."""
        plan, states = self._running(), self._states()
        return await self._table.with_table(lambda table: _rule_rows(plan, self._counters(), table, states))

    async def live(self) -> list[Row]:
        """List the rules in matching order, with their rates."""
        snapshot = await self._snapshots.latest()
        return await asyncio.to_thread(lambda: self._live_rows(snapshot.flows))

    def _live_rows(self, flows: NDArray[np.void]) -> list[Row]:
        now, before = self._totals.look()
        rows = _rule_rows(self._running(), now.rules, flows, self._states())
        for row in rows:
            grown = None
            if before is not None and row["number"] in now.rules:
                grown = rule_growth(now, before, row["number"])
            seconds = now.at - before.at if before else 1.0
            row["rate"] = round(8 * grown["bytes"] / seconds) if grown else None
            row["packet_rate"] = round(grown["packets"] / seconds, 1) if grown else None
            row["new_rate"] = round(grown["flows"] / seconds, 1) if grown else None
        return rows


def _rule_rows(
    plan: Plan,
    counters: Mapping[int, RuleCounter],
    flows: NDArray[np.void],
    states: Mapping[str, LinkState],
) -> list[Row]:
    """List the rules, the most specific first."""
    numbers, counts = np.unique(flows["rule"], return_counts=True)
    active = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    rows = []
    images = {image.number: image for image in plan.image.rules}
    for order, number in enumerate(_matching_order(plan.image)):
        counter = counters.get(number)
        rows.append(
            {
                "number": number,
                "order": order,
                **_written(plan.document, number),
                "action": plan.profile.rules[number].action,
                "pool": plan.profile.rules[number].pool,
                "links": _links(images[number]),
                "failed_over": _failed_over(images[number], states),
                "flows": active.get(number, 0),
                "created": counter.flows if counter else 0,
                "packets": counter.packets if counter else 0,
                "bytes": counter.bytes if counter else 0,
            }
        )
    return rows


def _matching_order(image: Image) -> list[int]:
    def precedence(rule: Any) -> tuple[int, ...]:
        return (*(-part for part in rule.match.specificity), rule.number)

    return [rule.number for rule in sorted(image.rules, key=precedence)]


def _written(document: Mapping[str, Any], number: int) -> Row:
    """Return the fields of a rule as committed."""
    return dict(document.get("rules", {}).get(str(number), {}))


def _links(image: RuleImage) -> str | None:
    """Return the links that share the new flows of a rule; None if it uses one path."""
    return image.ways.text if image.ways is not None and image.ways.buckets else None


def _failed_over(image: RuleImage, states: Mapping[str, LinkState]) -> Row | None:
    """Return where failover sends new flows of a rule, and since when; None while it runs as configured."""
    ways = image.ways
    if ways is None or not ways.instead_of:
        return None
    since = [states[name].since for name in ways.instead_of if name in states]
    redirects = [str(way.redirect) for way in ways.ways if way.redirect]
    return {
        "from": ", ".join(ways.instead_of),
        "to": ways.text,
        "pool": ", ".join(dict.fromkeys(way.pool for way in ways.ways)),
        "redirect": ", ".join(redirects) or None,
        "since": max(since).isoformat(timespec="seconds") if since else None,
    }
