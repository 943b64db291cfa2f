# SPDX-License-Identifier: Apache-2.0
"""End flows that the route takes to another provider than the one whose address they have.

A flow keeps its address for its lifetime, so by another provider it gets no replies. Once it has ended, its
next packet is matched anew, as netfilter's masquerade does when a route changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from snatsh.compile.link_selection import link_of
from snatsh.engine.config.commit import Plan
from snatsh.engine.flows.query import Flows
from snatsh.engine.links.flow_termination import MOST_PROMPTED, prompt
from snatsh.engine.packets import TCP
from snatsh.model.facts import Facts
from snatsh.model.schema.profile import Profile, Rule

if TYPE_CHECKING:
    from snatsh.datapath.gateway import Datapath

log = logging.getLogger(__name__)

SECONDS = 0.5
"""Between two looks, while the table is small."""


class MovedFlows:
    """`end` looks at the whole table; `prompt` then has the hosts reset that say nothing."""

    def __init__(self, datapath: Datapath, running: Callable[[], Plan]) -> None:
        self._datapath = datapath
        self._running = running
        self._silent: list[Flows] = []
        self._seen: Plan | None = None
        self._homes: Mapping[int, int] = {}

    def end(self) -> None:
        plan = self._running()
        if plan is not self._seen:  # thousands of rules take longer than the look
            self._seen, self._homes = plan, homes(plan.profile, plan.facts)
        found = self._datapath.flows_elsewhere(self._homes)
        if len(found):
            self._datapath.reset_flows(found, plan.profile.timeouts.tcp.established)
            log.info(
                "ended %d flows: their route has moved to another interface than their rule's", len(found)
            )
            self._silent.append(found[found["protocol"] == TCP][:MOST_PROMPTED])

    async def prompt(self) -> None:
        silent, self._silent = self._silent, []
        if silent:
            await prompt(np.concatenate(silent))


def homes(profile: Profile, facts: Facts) -> Mapping[int, int]:
    """By rule, the index of the interface that its flows have to leave by, unless its link keeps flows.

    A rule that names neither interface nor next hop matches new flows by any interface, and may keep its own.
    """
    found = {}
    for number, rule in profile.rules.items():
        name = _interface(rule, profile, facts)
        if name in facts.interfaces and not _keeps(rule, profile, facts):
            found[number] = facts.interfaces[name].index
    return found


def _interface(rule: Rule, profile: Profile, facts: Facts) -> str:
    if rule.action != "translate" or rule.redirect is not None or rule.group is not None:
        return ""
    if rule.out_interface is not None or rule.next_hop is None:
        return rule.out_interface or ""
    hop = rule.next_hop
    outside = (name for name, interface in profile.interfaces.items() if interface.role == "outside")
    on_link = [name for name in outside if name in facts.interfaces and facts.interfaces[name].on_link(hop)]
    return on_link[0] if len(on_link) == 1 else ""


def _keeps(rule: Rule, profile: Profile, facts: Facts) -> bool:
    link = link_of(rule, profile, facts)
    return link is not None and profile.links[link].flows == "keep"
