# SPDX-License-Identifier: Apache-2.0
"""By which interface the flows of a rule have to leave, and whether flows end with their link."""

from __future__ import annotations

from typing import Any

import pytest

from snatsh.engine.links.flow_termination import ends_flows
from snatsh.engine.links.moved_flows import homes
from snatsh.model.document.document import to_profile
from tests.unit.model.strategies import FACTS

INTERFACES = {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}, "eth2": {"role": "outside"}}
ETH1, ETH2 = (FACTS.interfaces[name].index for name in ("eth1", "eth2"))
HOP = str(FACTS.interfaces["eth1"].addresses[0].ip + 1)
LINK: dict[str, Any] = {"interface": "eth1", "next-hop": HOP}


@pytest.mark.parametrize(
    ("rule", "link", "expected"),
    [
        ({"out-interface": "eth2"}, {}, ETH2),
        ({"out-interface": "eth1"}, {}, ETH1),
        ({"out-interface": "eth1"}, {"flows": "end"}, ETH1),
        ({"out-interface": "eth1"}, {"flows": "keep"}, None),
        ({"next-hop": HOP}, {}, ETH1),
        ({"out-interface": "eth1", "redirect": HOP}, {}, None),
        ({"out-interface": "eth9"}, {}, None),
        ({}, {}, None),
    ],
)
def test_interface_that_a_rule_names(
    rule: dict[str, Any], link: dict[str, Any], expected: int | None
) -> None:
    profile = to_profile(
        {
            "interfaces": INTERFACES,
            "links": {"a": {**LINK, **link}},
            "pools": {"p": {"address": ["1.1.2.100"]}},
            "rules": {"10": {"pool": "p", **rule}},
        }
    )
    assert homes(profile, FACTS).get(10) == expected


BACKUP = {"backup": "b"}
GROUP: dict[str, Any] = {"link-groups": {"g": {"link": {"a": {}, "b": {}}}}}
ALONE: dict[str, Any] = {"link-groups": {"g": {"link": {"a": {}}}}}
FAILOVER = {"rules": {"10": {"pool": "p", "failover": {"a": {"redirect": "1.1.3.1"}}}}}


@pytest.mark.parametrize(
    ("link", "more", "expected"),
    [
        ({}, {}, False),
        ({}, ALONE, False),
        (BACKUP, {}, True),
        ({}, GROUP, True),
        ({}, FAILOVER, True),
        ({**BACKUP, "flows": "keep"}, {}, False),
        ({"flows": "end"}, {}, True),
    ],
)
def test_flows_end_with_a_link_that_others_take_over_for(
    link: dict[str, Any], more: dict[str, Any], expected: bool
) -> None:
    links = {"a": {**LINK, **link}, "b": {"interface": "eth2", "next-hop": "1.1.3.1"}}
    profile = to_profile({"links": links, "pools": {"p": {"address": ["1.1.2.100"]}}, **more})
    assert ends_flows(profile, "a") is expected
