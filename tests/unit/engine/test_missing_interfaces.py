# SPDX-License-Identifier: Apache-2.0
"""A plan for a host that lacks an interface: it has no hook, matches nothing, and loses no guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from snatsh.compile.image import HookRequest
from snatsh.engine.config.commit import examine, with_renamed
from snatsh.model.document.document import Document
from snatsh.model.facts import NO_INDEX
from snatsh.model.values import Address
from tests.unit.model.strategies import FACTS

DOCUMENT: Document = {
    "interfaces": {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}, "ppp0": {"role": "outside"}},
    "links": {"isp": {"interface": "ppp0"}},
    "pools": {"a": {"address": ["1.1.2.100"]}, "b": {"interface-address": "ppp0"}},
    "rules": {"10": {"out-interface": "ppp0", "pool": "b"}, "20": {"out-interface": "eth1", "pool": "a"}},
}
ETH2 = HookRequest("eth2", 4, "outside", "tc")


def test_the_rest_is_compiled_as_if_it_were_there() -> None:
    plan, warnings = examine(DOCUMENT, FACTS)
    assert [str(one) for one in warnings if one.path == ("interfaces", "ppp0")] == [
        "interfaces ppp0: missing on this gateway, takes effect when it appears; "
        "there are: eth0, eth1, eth2, lo"
    ]
    assert [hook.interface for hook in plan.hooks] == ["eth0", "eth1"]
    (by_ppp,) = (rule for rule in plan.image.rules if rule.number == 10)
    assert (by_ppp.match.out_interface or 0) >= NO_INDEX
    appeared = replace(FACTS.interfaces["eth2"], index=9, framing="none", peers=(Address("1.1.3.1"),))
    later, _ = examine(DOCUMENT, replace(FACTS, interfaces={**FACTS.interfaces, "ppp0": appeared}))
    assert [hook.interface for hook in later.hooks] == ["eth0", "eth1", "ppp0"]


@pytest.mark.parametrize(
    ("role", "kept"), [("outside", True), ("inside", False)], ids=["role missing", "other role"]
)
def test_unconfigured_interface_keeps_its_guard_while_one_of_its_role_is_missing(
    role: str, kept: bool
) -> None:
    """As after a wrong name in the configuration, or a new one of the interface."""
    plan, _ = examine(DOCUMENT, FACTS)
    attached = (*plan.hooks, replace(ETH2, role=role))  # type: ignore[arg-type]
    found = with_renamed(plan, attached)
    assert ("eth2" in [hook.interface for hook in found.hooks]) == kept
    assert ("eth2" in [image.name for image in found.image.interfaces]) == kept
