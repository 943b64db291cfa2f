# SPDX-License-Identifier: Apache-2.0
"""Rules for consoles: as configured, their counters, their rates, and where failover moved them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from snatsh.api.codec import from_builtins
from snatsh.api.rules import FailedOver, LiveRule, RuleRow
from snatsh.compile.image import Image, RuleImage
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows.snapshot import Snapshots
from snatsh.engine.flows.table_reader import TableReader
from snatsh.engine.links.manager import LinkState
from snatsh.engine.status.totals import CounterReading, Totals, rule_growth
from snatsh.model.document.types import Document

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath, RuleCounter

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

    async def rows(self) -> list[RuleRow]:
        """List the rules in matching order."""
        plan, states = self._running(), self._states()
        return await self._table.with_table(lambda table: _rule_rows(plan, self._counters(), table, states))

    async def live(self) -> list[LiveRule]:
        """List the rules in matching order, with their rates."""
        snapshot = await self._snapshots.latest()
        return await asyncio.to_thread(lambda: self._live_rows(snapshot.flows))

    def _live_rows(self, flows: NDArray[np.void]) -> list[LiveRule]:
        now, before = self._totals.look()
        rows = _rule_rows(self._running(), now.rules, flows, self._states())
        return [_with_rates(row, now, before) for row in rows]


def _with_rates(row: RuleRow, now: CounterReading, before: CounterReading | None) -> LiveRule:
    rate, packet_rate, new_rate = None, None, None
    if before is not None and row.number in now.rules:
        grown, seconds = rule_growth(now, before, row.number), now.at - before.at
        rate = round(8 * grown.bytes / seconds)
        packet_rate, new_rate = round(grown.packets / seconds, 1), round(grown.flows / seconds, 1)
    return LiveRule(**asdict(row), rate=rate, packet_rate=packet_rate, new_rate=new_rate)


def _rule_rows(
    plan: Plan,
    counters: Mapping[int, RuleCounter],
    flows: NDArray[np.void],
    states: Mapping[str, LinkState],
) -> list[RuleRow]:
    """List the rules, the most specific first."""
    numbers, counts = np.unique(flows["rule"], return_counts=True)
    active = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    rows = []
    images = {image.number: image for image in plan.image.rules}
    for order, number in enumerate(_matching_order(plan.image)):
        counter = counters.get(number)
        row = {
            **_written(plan.document, number),
            "number": number,
            "order": order,
            "action": plan.profile.rules[number].action,
            "pool": plan.profile.rules[number].pool,
            "links": _links(images[number]),
            "failed_over": _failed_over(images[number], states),
            "flows": active.get(number, 0),
            "created": counter.flows if counter else 0,
            "packets": counter.packets if counter else 0,
            "bytes": counter.bytes if counter else 0,
        }
        rows.append(from_builtins(row, RuleRow))
    return rows


def _matching_order(image: Image) -> list[int]:
    def precedence(rule: Any) -> tuple[int, ...]:
        return (*(-part for part in rule.match.specificity), rule.number)

    return [rule.number for rule in sorted(image.rules, key=precedence)]


def _written(document: Document, number: int) -> Document:
    """Return the fields of a rule as committed."""
    found: Document = document.get("rules", {}).get(str(number), {})
    return found


def _links(image: RuleImage) -> str | None:
    """Return the links that share the new flows of a rule; None if it uses one path."""
    selection = image.selection
    return selection.text if selection is not None and selection.buckets else None


def _failed_over(image: RuleImage, states: Mapping[str, LinkState]) -> FailedOver | None:
    """Return where failover sends new flows of a rule, and since when; None while it runs as configured."""
    selection = image.selection
    if selection is None or not selection.instead_of:
        return None
    since = [states[name].since for name in selection.instead_of if name in states]
    redirects = [str(choice.redirect) for choice in selection.choices if choice.redirect]
    return FailedOver(
        links=", ".join(selection.instead_of),
        to=selection.text,
        pool=", ".join(dict.fromkeys(choice.pool for choice in selection.choices)),
        redirect=", ".join(redirects) or None,
        since=max(since).isoformat(timespec="seconds") if since else None,
    )
