# SPDX-License-Identifier: Apache-2.0
"""One snapshot for scripts: `snatsh top --once`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from snatsh.api.commits import History
from snatsh.api.flows import FlowPage
from snatsh.api.links import LinkRow
from snatsh.api.overview import Overview
from snatsh.api.pools import LivePool
from snatsh.api.rules import LiveRule
from snatsh.api.subscribers import SubscriberPage
from snatsh.api.system import Version
from snatsh.client import Client
from snatsh.shell.render.text import count, duration, fields
from snatsh.tui.widgets.graph import bits, packets, per_second

ROWS = 20
_BETWEEN = 1.0  # seconds between the two samples that rates need


@dataclass(frozen=True, slots=True)
class Glance:
    """Return what the screens show, with the first rows of long tables."""

    version: Version
    overview: Overview
    flows: FlowPage
    pools: list[LivePool]
    links: list[LinkRow]
    rules: list[LiveRule]
    subscribers: SubscriberPage
    commits: History


def gather(client: Client) -> Glance:
    """Ask for everything."""
    version = client.version()
    if client.live_overview().seconds is None:
        time.sleep(_BETWEEN)
    query: dict[str, str | int] = {"sort": "rate", "limit": ROWS}
    return Glance(
        version=version,
        overview=client.live_overview(),
        flows=client.live_flows(query),
        pools=client.live_pools(),
        links=client.links(),
        rules=client.live_rules(),
        subscribers=client.live_subscribers(query),
        commits=client.commits(),
    )


def text(found: Glance) -> str:
    """Return the dashboard as text."""
    overview = found.overview
    traffic, cpu = overview.traffic, overview.processor
    rows = [("Gateway", overview.host_name)]
    rows += [
        (direction, f"{bits(speed.bits)}, {packets(speed.packets)}")
        for direction, speed in (("Out", traffic.outbound), ("In", traffic.inbound))
    ]
    rows += [
        ("Flows", f"{count(overview.flows)} of {count(overview.capacity)}"),
        ("New flows", per_second(traffic.opened)),
        (
            "CPU for packets",
            "-" if cpu.average is None else f"{cpu.average}%, busiest {cpu.busiest}%",
        ),
    ]
    rows += [(f"Pool {pool.name}", f"{pool.fill:.1%} used, peak {pool.peak:.1%}") for pool in overview.pools]
    rows += [(f"Link {link.name}", link.state) for link in overview.links]
    rows += [(f"Dropped {row.reason}", f"{count(row.packets)} packets") for row in overview.drops]
    if overview.pending:
        rows.append(("Commit", f"unconfirmed, rollback in {duration(overview.pending.seconds)}"))
    rows += [(f"Alarm ({alarm.severity})", alarm.text) for alarm in overview.alarms]
    return fields(rows)
