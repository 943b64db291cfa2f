# SPDX-License-Identifier: Apache-2.0
"""Connections of port forwarding and load balancers on the gateway are left to the stack."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP

from tests.kernel.frames import from_inside, from_outside, tcp
from tests.kernel.rig import Rig

RULES = {
    "pools": {"a": {"address": ["1.1.2.100"]}},
    "rules": {"10": {"source": "192.168.0.0/16", "pool": "a"}},
}
SERVER, CLIENT = "192.168.40.9", "9.9.9.9"


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(RULES)
    gateway.forget()


def let_in(gateway: Rig) -> None:
    """As the stack sends it on, its destination translated already."""
    request = from_outside(tcp(4000, 80, "S"), SERVER, source=CLIENT)
    assert gateway.tc("tc_inside_out", "eth0", request, came_in="eth1").verdict == "passed"


def answer(flags: str = "SA", source: str = SERVER) -> Any:
    return from_inside(tcp(80, 4000, flags), source, CLIENT)


@pytest.mark.parametrize("flags", ["SA", "A", "FA"])
def test_replies_of_stack_connections_are_passed_to_the_stack(gateway: Rig, flags: str) -> None:
    let_in(gateway)
    if gateway.hook != "tc-egress":
        assert gateway.outbound(answer(flags)).verdict == "passed"
    translated_by_the_stack = answer(flags, source="1.1.2.2")
    assert gateway.tc("tc_outside_out", "eth1", translated_by_the_stack, came_in="eth0").verdict == "passed"
    assert not len(gateway.datapath.flows())


def test_replies_left_untranslated_by_the_stack_are_translated(gateway: Rig) -> None:
    let_in(gateway)
    sent = gateway.tc("tc_outside_out", "eth1", answer(), came_in="eth0")
    assert sent.verdict == "translated"
    assert sent.frame[IP].src == "1.1.2.100"


def test_other_flows_of_the_server_are_translated(gateway: Rig) -> None:
    let_in(gateway)
    for frame in (
        from_inside(tcp(80, 4001, "A"), SERVER, CLIENT),
        from_inside(tcp(5000, 443, "S"), SERVER, CLIENT),
    ):
        sent = gateway.outbound(frame)
        assert (sent.verdict, sent.frame[IP].src) == ("translated", "1.1.2.100")


def test_translated_flows_are_not_recorded_as_stack_connections(gateway: Rig) -> None:
    gateway.outbound(answer("S"))
    let_in(gateway)
    assert gateway.outbound(answer("A")).verdict == "translated"
    assert not len(gateway.entries("stack_connections")[0])
