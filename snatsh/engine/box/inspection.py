# SPDX-License-Identifier: Apache-2.0
"""The inspection of the host: all that translated packets may pass by, and the facts for a commit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pyroute2.netlink.exceptions import NetlinkError

from snatsh.engine.box import devices, ipsec, netfilter, policy_rules
from snatsh.engine.box.offloads import untagging
from snatsh.engine.box.ruleset import Ruleset
from snatsh.engine.errors import EngineError
from snatsh.engine.host.facts import gather, known_neighbors
from snatsh.model.box import Bypass
from snatsh.model.facts import Facts


def inspect(ruleset: Ruleset) -> tuple[Bypass, ...]:
    """Inspect the network namespace of the calling thread, whose netfilter rules are these. EngineError."""
    try:
        return tuple(_inspect(ruleset))
    except (NetlinkError, OSError) as error:
        raise EngineError(f"cannot inspect the host over netlink: {error}") from None


def _inspect(ruleset: Ruleset) -> Iterator[Bypass]:
    found = tuple(devices.bypassed())
    filtered = any(one.subject in ("filter", "late filter") for one in found)
    yield from netfilter.bypassed(ruleset)
    yield from policy_rules.bypassed(marks=filtered or netfilter.sets_marks(ruleset))
    yield from ipsec.bypassed()
    yield from found


def survey() -> Facts:
    """Gather facts for a commit: with gateways, neighbors, VLAN offloads, and what packets pass by."""
    facts = gather(routes=True)
    ruleset = netfilter.read_ruleset()
    return replace(
        facts,
        translations=netfilter.source_translations(ruleset),
        untagging=untagging(),
        neighbors=known_neighbors(facts),
        box=inspect(ruleset),
    )
