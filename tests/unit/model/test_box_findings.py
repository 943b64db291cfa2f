# SPDX-License-Identifier: Apache-2.0
"""What of the host a configuration passes by, by the hooks and roles of its interfaces."""

from __future__ import annotations

from typing import get_args

import pytest

from snatsh.model.box import Bypass, Subject
from snatsh.model.document.document import to_profile
from snatsh.model.facts import Facts
from snatsh.model.validate.box import MEANINGS, Mode, box_findings

RULES: dict[str, dict[str, object]] = {"10": {"pool": "a"}}


def found(
    *box: Bypass, inside: Mode = "tc", outside: Mode = "tc", rules: dict[str, dict[str, object]] = RULES
) -> list[tuple[str, str]]:
    """Interface and class of the alarm of each finding."""
    hooks: dict[str, Mode] = {"eth0": inside, "eth1": outside}
    roles = {"eth0": "inside", "eth1": "outside"}
    profile = to_profile(
        {
            "interfaces": {name: {"role": role} for name, role in roles.items()},
            "pools": {"a": {"address": ["192.0.2.9"]}},
            "rules": rules,
        }
    )
    return [(one.interface, one.alarm) for one in box_findings(profile, Facts(box=box), hooks.__getitem__)]


def test_every_subject_has_a_meaning() -> None:
    assert list(MEANINGS) == list(get_args(Subject))


@pytest.mark.parametrize("subject", ["qdisc", "filter", "no redirect"])
def test_what_only_xdp_passes_by(subject: Subject) -> None:
    of_outside = Bypass(subject, "x", "eth1")
    assert found(of_outside, inside="xdp", outside="tc") == []
    assert found(of_outside, inside="xdp", outside="auto") == [], "auto takes TC there"
    assert [name for name, _ in found(of_outside, outside="xdp")] == ["eth1"]


def test_interfaces_without_a_role_do_not_matter() -> None:
    assert found(Bypass("qdisc", "x", "eth7"), inside="xdp", outside="xdp") == []
    assert found(Bypass("late filter", "x", "eth7")) == []


def test_names_may_end_in_a_star() -> None:
    assert found(Bypass("mangling", "x", "eth*")) == [("eth0", "minor"), ("eth1", "minor")]


def test_proxies_are_for_the_inside() -> None:
    assert found(Bypass("proxy", "x", "eth1")) == []
    assert found(Bypass("proxy", "x", "eth0")) == [("eth0", "major")]
    assert found(Bypass("proxy", "x")) == [("", "major")]


def test_bridge_filters_matter_where_a_port_has_a_role() -> None:
    filtered = Bypass("bridge filter", "x")
    assert found(filtered) == []
    assert found(filtered, Bypass("bridge port", "x", "eth7")) == []
    assert found(filtered, Bypass("bridge port", "x", "eth0")) == [("", "minor"), ("eth0", "minor")]


def test_strict_reverse_path_filter_matters_with_redirected_flows() -> None:
    strict = Bypass("rp_filter", "x", "eth1")
    assert found(strict) == []
    assert found(strict, rules={"10": {"pool": "a", "redirect": "192.0.2.1"}}) == [("eth1", "")]


def test_without_translation_nothing_is_passed_by() -> None:
    assert found(Bypass("firewall", "x"), rules={"10": {"action": "exempt"}}) == []
