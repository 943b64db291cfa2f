# SPDX-License-Identifier: Apache-2.0
"""What consoles are shown of a running gateway, as JSON has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snatsh.compile.image import Image, PoolImage, RuleImage
from snatsh.engine.config.commit import Plan
from snatsh.engine.config.history import Entry
from snatsh.engine.flows.query import address_text
from snatsh.engine.links.manager import Links, LinkState
from snatsh.engine.links.probes.targets import Target
from snatsh.engine.links.state_machine import Quality
from snatsh.engine.pools.usage import PROTOCOLS, TOTALS, rows_of, use_of
from snatsh.model.facts import Facts
from snatsh.model.next_hops import next_hop
from snatsh.model.schema.profile import Pool, Profile

if TYPE_CHECKING:
    from snatsh.datapath.attach import Hook
    from snatsh.datapath.gateway import Count, RuleCounter

Row = dict[str, Any]


def pool_rows(plan: Plan, usage: NDArray[np.void]) -> list[Row]:
    """Every pool with what is used of it; of its addresses those that were ever used."""
    return [_pool_row(image, plan.profile, usage) for image in plan.image.pools]


def _pool_row(image: PoolImage, profile: Profile, usage: NDArray[np.void]) -> Row:
    use, mine = use_of(image, usage), rows_of(image, usage)
    mine = mine[np.logical_or.reduce([mine[name] > 0 for name in (*PROTOCOLS, *TOTALS)])]
    columns = {name: mine[name].tolist() for name in (*PROTOCOLS, *TOTALS)}
    addresses = map(address_text, mine["address"].tolist())
    return {
        "name": image.name,
        "addresses": image.size,
        "ports": str(image.ports),
        "announce": _announce(profile.pools[image.name]),
        "active": use.active,
        "created": use.created,
        "exhausted": use.exhausted,
        "usage": [
            {"address": address, **dict(zip(columns, values, strict=True))}
            for address, *values in zip(addresses, *columns.values(), strict=True)
        ],
    }


def _announce(pool: Pool) -> str:
    return "none" if pool.interface_address is not None else pool.announce


def rule_rows(
    plan: Plan,
    counters: Mapping[int, RuleCounter],
    flows: NDArray[np.void],
    states: Mapping[str, LinkState],
) -> list[Row]:
    """Every rule, in the order in which the most specific match is looked for."""
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
    """The rule's fields as they were committed."""
    return dict(document.get("rules", {}).get(str(number), {}))


def _links(image: RuleImage) -> str | None:
    """The links that share its new flows; None for a rule that has one way."""
    return image.ways.text if image.ways is not None and image.ways.buckets else None


def _failed_over(image: RuleImage, states: Mapping[str, LinkState]) -> Row | None:
    """Where the rule's new flows go instead, and since when; None while it runs as written."""
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
        "since": _moment(max(since)) if since else None,
    }


def link_rows(plan: Plan, links: Links) -> list[Row]:
    """rtt: mean milliseconds, loss: percent; null while too few probes were sent to say."""
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
            "since": _moment(states[name].since),
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


def link_series(plan: Plan, links: Links) -> list[Row]:
    """The newest results of every target, oldest first: round-trip milliseconds, null for a lost probe."""
    rows = []
    for name, link in sorted(plan.profile.links.items()):
        if link.monitor is not None:
            targets = [_target_series(target) for target in links.targets(name)]
            rows.append({"name": name, "interval": link.monitor.interval, "targets": targets})
    return rows


def _target_series(target: Target) -> Row:
    results = [None if rtt is None else round(rtt * 1000, 3) for rtt in target.results]
    return {"kind": target.kind, "address": target.address, "up": target.reach.up, "results": results}


def _moment(when: datetime) -> str:
    return when.isoformat(timespec="seconds")


def interface_rows(profile: Profile, facts: Facts, attached: Iterable[Hook]) -> list[Row]:
    """The interfaces that take part. hook: what is attached, empty where nothing is."""
    hooks = {hook.interface: hook.mode for hook in attached}
    rows = []
    for name, interface in sorted(profile.interfaces.items()):
        known = facts.interfaces.get(name)
        rows.append(
            {
                "name": name,
                "index": known.index if known else 0,
                "role": interface.role,
                "hook": hooks.get(name, ""),
                "state": ("up" if known.up else "down") if known else "missing",
                "mac": known.mac.hex(":") if known else "",
                "mtu": known.mtu if known else 0,
                "addresses": [str(address) for address in known.addresses] if known else [],
            }
        )
    return rows


def reason_rows(counts: Mapping[str, Count], help_texts: Mapping[str, str]) -> list[Row]:
    """Every reason there is, zeros included."""
    return [
        {"reason": name, "help": help_texts.get(name, ""), "packets": count.packets, "bytes": count.bytes}
        for name, count in counts.items()
    ]


def history_rows(entries: Iterable[Entry]) -> list[Row]:
    return [
        {
            "number": number,
            "time": entry.metadata.time.isoformat(timespec="milliseconds"),
            "user": entry.metadata.user,
            "method": entry.metadata.method,
            "comment": entry.metadata.comment,
        }
        for number, entry in enumerate(entries)
    ]
