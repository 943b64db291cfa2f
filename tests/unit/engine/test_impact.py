# SPDX-License-Identifier: Apache-2.0
"""What a commit would do to the traffic of now."""

from __future__ import annotations

from copy import deepcopy
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import pytest

from snatsh.datapath.flows import FLOW_VIEW
from snatsh.engine.config.impact import assess
from snatsh.model.document.document import to_profile
from tests.unit.model.strategies import FACTS

RUNNING: dict[str, Any] = {
    "interfaces": {"eth0": {"role": "inside"}, "eth1": {"role": "outside"}, "eth2": {"role": "outside"}},
    "links": {
        "isp-a": {"interface": "eth1", "next-hop": "1.1.2.1"},
        "isp-b": {"interface": "eth2", "next-hop": "1.1.3.1"},
    },
    "pools": {
        "a": {"address": ["1.1.2.100-1.1.2.103"], "ports": "1001-2000"},
        "b": {"address": ["1.1.3.100"]},
    },
    "rules": {
        "10": {"source": "192.168.40.0/25", "out-interface": "eth1", "pool": "a"},
        "20": {"source": "192.168.40.0/24", "out-interface": "eth2", "pool": "b"},
    },
}
FLOWS = np.zeros(5, dtype=FLOW_VIEW)
FLOWS["source"] = [int(IPv4Address(f"192.168.40.{host}")) for host in (9, 9, 10, 200, 200)]
FLOWS["mapped"] = [int(IPv4Address(f"1.1.{end}")) for end in ("2.100", "2.103", "2.103", "3.100", "3.100")]
FLOWS["rule"] = [10, 10, 10, 20, 20]


def changed(path: str, value: Any) -> list[tuple[str, str, int]]:
    document = deepcopy(RUNNING)
    *above, last = path.split()
    at = document
    for name in above:
        at = at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    found = assess(to_profile(RUNNING), to_profile(document), FACTS, FLOWS)
    return [(one.kind, one.subject, one.count) for one in found]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("pools a description", "the same", []),
        (
            "pools a address",
            ["1.1.2.100-1.1.2.101"],
            [
                ("flows-ended", "a", 2),
                ("withdrawn", "1.1.2.102-1.1.2.103", 2),
                ("ports-per-subscriber", "a", 1000),
            ],
        ),
        (
            "pools a address",
            ["1.1.2.100-1.1.2.105"],
            [("announced", "1.1.2.104-1.1.2.105", 2), ("ports-per-subscriber", "a", 3000)],
        ),
        (
            "pools a address",
            ["1.1.2.96-1.1.2.110"],  # is announced in prefixes
            [
                ("announced", "1.1.2.96-1.1.2.99", 4),
                ("announced", "1.1.2.104-1.1.2.110", 7),
                ("ports-per-subscriber", "a", 7500),
            ],
        ),
        ("pools a ports", "1001-1500", [("ports-per-subscriber", "a", 1000)]),
        ("pools a announce", "none", [("withdrawn", "1.1.2.100-1.1.2.103", 4)]),
        ("rules 20 source", "192.168.40.0/25", [("uncovered", "192.168.40.200", 1)]),
        ("rules 20", None, [("uncovered", "192.168.40.200", 1), ("link-unused", "isp-b", 0)]),
        ("rules 30", {"action": "exempt"}, []),
    ],
)
def test_effects_of_a_change(path: str, value: Any, expected: list[tuple[str, str, int]]) -> None:
    assert changed(path, value) == expected


def test_text_names_what_and_where() -> None:
    document = deepcopy(RUNNING)
    document["pools"]["a"]["address"] = ["1.1.2.100"]
    found = assess(to_profile(RUNNING), to_profile(document), FACTS, FLOWS)
    assert [one.text for one in found] == [
        "ends 2 flows of pool a by rule 10: their addresses are in no pool any more",
        "no longer announces 1.1.2.101-1.1.2.103 on eth1",
        "pool a: 500 ports of each protocol for each of 2 subscribers, 2,000 before",
    ]
