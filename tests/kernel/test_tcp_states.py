# SPDX-License-Identifier: Apache-2.0
"""States of TCP flows: handshake, close, reset, and the same tuple again."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from snatsh.datapath.layout import STATE_NAMES, TICKS_PER_SECOND
from tests.kernel import tcp_reference
from tests.kernel.frames import from_inside, from_outside, tcp
from tests.kernel.rig import Rig
from tests.kernel.tcp_reference import Flow, Policy, Segment, Side

EXTERNAL = "1.1.2.100"
OPEN_TO_ANYONE = {"mapping": "endpoint-independent", "filtering": "endpoint-independent"}
TIMEOUTS = {"unreplied": 240, "established": 7440, "transitory": 240, "time-wait": 120}
FLAGS = ("S", "SA", "A", "PA", "FA", "R", "RA", "F", "SF", "SR", "", "FPU")
FRAMES = {
    Side.INSIDE: {flags: from_inside(tcp(4000, 80, flags)) for flags in FLAGS},
    Side.OUTSIDE: {flags: from_outside(tcp(80, 4000, flags), EXTERNAL) for flags in FLAGS},
}
ANCHOR = from_inside(tcp(4000, 80, "S"), destination="8.8.4.4")


def document(policy: Policy) -> dict[str, Any]:
    names = {"syn": "unreplied", "established": "established", "transitory": "transitory"}
    seconds = {name: policy.timeouts[state] for name, state in names.items()}
    return {
        "pools": {"a": {"address": [EXTERNAL]}},
        "rules": {"10": {"pool": "a", **(OPEN_TO_ANYONE if policy.strangers else {})}},
        "system": {"tcp-mid-stream": "accept" if policy.mid_stream else "drop"},
        "timeouts": {
            "tcp": {**seconds, "time-wait": policy.timeouts["time-wait"]},
            "refresh": "both" if policy.refresh_inbound else "outbound",
        },
    }


def begin(gateway: Rig, policy: Policy) -> None:
    gateway.commit(document(policy))
    start_over(gateway, policy)


def start_over(gateway: Rig, policy: Policy) -> None:
    """No flow but one that holds the mapping, where strangers may reach it."""
    gateway.end_flows()
    gateway.datapath.clear_counters()
    if policy.strangers:
        assert gateway.outbound(ANCHOR).verdict == "translated"


def passes(gateway: Rig, side: Side, flags: str) -> bool:
    frame = FRAMES[side][flags]
    if side is Side.INSIDE:
        return gateway.outbound(frame).verdict == "translated"
    sent = gateway.inbound(frame, "eth1")
    if sent.verdict == "passed":
        sent = gateway.tc("tc_outside_in", "eth1", frame)
    return sent.verdict == "translated"


def inside(gateway: Rig, *segments: str) -> None:
    for flags in segments:
        assert passes(gateway, Side.INSIDE, flags), flags


def outside(gateway: Rig, *segments: str) -> None:
    for flags in segments:
        assert passes(gateway, Side.OUTSIDE, flags), flags


def standing(gateway: Rig) -> tuple[str, float] | None:
    """State of the flow, and the seconds it has left."""
    rows = gateway.datapath.flows()
    mine = rows[rows["destination"] == 0x08080808]
    assert len(mine) <= 1
    return (STATE_NAMES[mine[0]["state"]], float(mine[0]["expires"])) if len(mine) else None


def state(gateway: Rig) -> str:
    found = standing(gateway)
    assert found
    return found[0]


def left(gateway: Rig) -> float:
    found = standing(gateway)
    assert found
    return found[1]


def pass_time(gateway: Rig, seconds: float) -> None:
    """As if so many seconds went by without a packet of the flow."""
    ticks = round(seconds * TICKS_PER_SECOND)
    for records in gateway.datapath.flow_table.parts():
        mine = records[records["key"]["destination"] == 0x08080808]
        mine["outbound"]["expires"] -= ticks
        for half in ("outbound", "inbound"):
            mine[half]["touched"] -= ticks
        gateway.datapath.maps["records"].put_all(mine["live"].astype("u4"), mine)


CLOSINGS = {
    "closed by both": [(Side.INSIDE, "FA"), (Side.OUTSIDE, "FA"), (Side.INSIDE, "A")],
    "closed by one": [(Side.OUTSIDE, "FA"), (Side.INSIDE, "A")],
    "reset": [(Side.OUTSIDE, "RA")],
}


@pytest.fixture
def policy() -> Policy:
    return Policy(TIMEOUTS)


@pytest.fixture(autouse=True)
def fresh(gateway: Rig, policy: Policy) -> None:
    begin(gateway, policy)


def established(gateway: Rig) -> None:
    inside(gateway, "S")
    outside(gateway, "SA")
    inside(gateway, "A")
    assert state(gateway) == "established"
    assert 7430 < left(gateway) <= 7441


def test_states_follow_handshake_and_close(gateway: Rig) -> None:
    inside(gateway, "S")
    assert state(gateway) == "unreplied"
    outside(gateway, "SA")
    assert state(gateway) == "unreplied", "a SYN-ACK alone does not establish (RFC 5382, REQ-5)"
    inside(gateway, "A")
    assert state(gateway) == "established"
    assert 7430 < left(gateway) <= 7441
    inside(gateway, "FA")
    assert state(gateway) == "transitory"
    outside(gateway, "FA")
    assert state(gateway) == "time-wait"


def test_simultaneous_open_is_established(gateway: Rig) -> None:
    """RFC 5382, REQ-2: a SYN without ACK comes from the endpoint that was sent one."""
    inside(gateway, "S")
    outside(gateway, "S")
    inside(gateway, "SA")
    outside(gateway, "SA")
    inside(gateway, "A")
    assert state(gateway) == "established"
    assert len(gateway.datapath.flows()) == 1
    assert gateway.drops() == {}


def test_unsolicited_syn_is_dropped_silently(gateway: Rig) -> None:
    """RFC 5382, REQ-4: the subscriber's own SYN to its sender opens the connection all the same."""
    assert not passes(gateway, Side.OUTSIDE, "S")
    assert gateway.drops() == {"no-flow": 1}
    inside(gateway, "S")
    outside(gateway, "S")
    inside(gateway, "SA", "A")
    assert state(gateway) == "established"


def test_only_the_third_segment_establishes(gateway: Rig) -> None:
    """Not a SYN that is sent again (RFC 5382, section 5). The segment counts however soon it follows."""
    inside(gateway, "S")
    outside(gateway, "SA")
    inside(gateway, "S", "S")
    outside(gateway, "SA")
    assert state(gateway) == "unreplied"
    assert left(gateway) <= 241
    inside(gateway, "A")
    assert state(gateway) == "established"


@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize("opener", Side)
def test_closed_flow_is_opened_again_by_either_side(gateway: Rig, closing: str, opener: Side) -> None:
    """RFC 5382, REQ-2: valid sequences of connections that both sides initiate."""
    established(gateway)
    for side, flags in CLOSINGS[closing]:
        assert passes(gateway, side, flags)
    before = left(gateway)
    sends, answers = (inside, outside) if opener is Side.INSIDE else (outside, inside)
    sends(gateway, "S")
    assert state(gateway) == "unreplied"
    assert opener is Side.INSIDE or left(gateway) <= before, "nobody outside keeps it"
    sends(gateway, "A")
    assert state(gateway) == "unreplied", "the other side has not answered"
    answers(gateway, "SA")
    assert state(gateway) == "unreplied"
    assert left(gateway) <= 241
    sends(gateway, "A")
    assert state(gateway) == "established"
    assert 7430 < left(gateway) <= 7441
    inside(gateway, "FA")
    outside(gateway, "FA")
    assert state(gateway) == "time-wait"
    assert gateway.subscriber() == {"sessions": 1, "half_open": 0, "evicted": 0}
    gateway.end_flows()
    assert gateway.subscriber() == {"sessions": 0, "half_open": 0, "evicted": 0}


@pytest.mark.parametrize("sender", Side)
def test_flow_goes_on_after_a_reset_that_nobody_accepted(gateway: Rig, sender: Side) -> None:
    """RFC 6146, section 3.5.2.2: transitory, and established again with what follows."""
    established(gateway)
    assert passes(gateway, sender, "R")
    assert state(gateway) == "transitory"
    assert 230 < left(gateway) <= 241
    assert passes(gateway, sender, "RA")
    assert state(gateway) == "transitory"
    outside(gateway, "A")
    assert state(gateway) == "established"
    assert left(gateway) <= 241, "only the subscriber prolongs it"
    inside(gateway, "A")
    assert state(gateway) == "established"
    assert 7430 < left(gateway) <= 7441


def test_reset_flow_ends_after_the_transitory_timeout(gateway: Rig) -> None:
    established(gateway)
    outside(gateway, "RA")
    pass_time(gateway, 239)
    outside(gateway, "RA")
    assert left(gateway) <= 2, "a reset does not prolong it"
    pass_time(gateway, 2)
    assert not passes(gateway, Side.OUTSIDE, "A")
    assert gateway.drops() == {"no-flow": 1}


def test_refused_connection_stays_transitory(gateway: Rig) -> None:
    inside(gateway, "S")
    outside(gateway, "RA")
    inside(gateway, "A")
    assert state(gateway) == "transitory", "there was no handshake"


def test_outbound_reset_does_not_prolong_the_flow(gateway: Rig) -> None:
    """RFC 7857, section 7.1."""
    inside(gateway, "S")
    outside(gateway, "SA")
    pass_time(gateway, 200)
    inside(gateway, "R")
    assert left(gateway) <= 41


@pytest.mark.parametrize("policy", [Policy(TIMEOUTS, strangers=True)])
def test_stranger_that_is_refused_leaves_nothing(gateway: Rig, policy: Policy) -> None:
    """RFC 7857, section 7.1: the subscriber's reset does not keep the mapping."""
    for _ in range(3):
        outside(gateway, "S")
        assert gateway.subscriber()["half_open"] == 2
        inside(gateway, "RA")
        assert left(gateway) < 1.1
        pass_time(gateway, 1.1)
        assert gateway.entries("eim_mappings")[1]["flows"].tolist() == [1], "that of the anchor"
    gateway.datapath.age()
    assert gateway.subscriber() == {"sessions": 1, "half_open": 1, "evicted": 0}


@pytest.mark.parametrize(
    "policy", [Policy(TIMEOUTS), Policy(TIMEOUTS, mid_stream=False)], ids=["accept", "drop"]
)
def test_flags_that_open_a_flow(gateway: Rig, policy: Policy) -> None:
    """RFC 9293, section 3.10.7: a SYN alone, mid-stream what has an ACK, and no mixture of scanners."""
    for flags in FLAGS:
        opens = flags == "S" or (policy.mid_stream and flags in ("SA", "A", "PA", "FA"))
        start_over(gateway, policy)
        assert passes(gateway, Side.INSIDE, flags) is opens, flags
        assert gateway.drops() == ({} if opens else {"no-state": 1}), flags
        assert (standing(gateway) is not None) is opens, flags


@pytest.mark.parametrize("policy", [Policy(TIMEOUTS, strangers=True)])
def test_flags_that_open_a_flow_from_outside(gateway: Rig, policy: Policy) -> None:
    for flags in FLAGS:
        start_over(gateway, policy)
        assert passes(gateway, Side.OUTSIDE, flags) is (flags == "S"), flags


@dataclass(frozen=True)
class Wait:
    """Time without a packet. Seconds, far from the timeouts so that a loaded machine cannot tell."""

    seconds: int


Step = Segment | Wait
ODD_TIMEOUTS = {"unreplied": 90, "established": 600, "transitory": 130, "time-wait": 50}
POLICIES = [
    Policy(TIMEOUTS),
    Policy(TIMEOUTS, mid_stream=False, strangers=True),
    Policy(ODD_TIMEOUTS, refresh_inbound=True),
    Policy(ODD_TIMEOUTS, refresh_inbound=True, strangers=True),
]
WAITS = (2, 35, 70, 110, 400, 8000)


def conversation(opener: Side, closing: str) -> list[Step]:
    other = next(side for side in Side if side is not opener)
    opening = [(opener, "S"), (other, "SA"), (opener, "A"), (opener, "PA"), (other, "PA")]
    return [Segment(side, flags) for side, flags in opening + CLOSINGS[closing]]


@st.composite
def disturbed(draw: Any) -> list[Step]:
    """Two connections of one tuple. Their segments are lost, sent again, late, and mixed with others."""
    steps: list[Step] = []
    for _ in range(2):
        for step in conversation(draw(st.sampled_from(Side)), draw(st.sampled_from(sorted(CLOSINGS)))):
            fate = draw(st.sampled_from(["sent", "sent", "sent", "lost", "twice", "late", "mixed"]))
            steps += {
                "sent": [step], "lost": [], "twice": [step, step],
                "late": [Wait(draw(st.sampled_from(WAITS))), step] if fate == "late" else [],
                "mixed": [draw(SEGMENTS), step] if fate == "mixed" else [],
            }[fate]  # fmt: skip
    return steps


SEGMENTS = st.builds(Segment, st.sampled_from(Side), st.sampled_from(FLAGS))
STEPS: SearchStrategy[list[Step]] = st.one_of(
    disturbed(), st.lists(st.one_of(SEGMENTS, SEGMENTS, st.builds(Wait, st.sampled_from(WAITS))), max_size=25)
)


@pytest.mark.parametrize("policy", POLICIES, ids=["plain", "strangers", "refreshed", "refreshed-strangers"])
@settings(
    max_examples=14,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_states_equal_those_of_the_reference(gateway: Rig, policy: Policy, steps: list[Step]) -> None:
    start_over(gateway, policy)
    flow: Flow | None = None
    began = time.monotonic()
    for number, step in enumerate(steps):
        if isinstance(step, Wait):
            pass_time(gateway, step.seconds)
            if flow:
                flow = replace(flow, expires=flow.expires - step.seconds, heard=flow.heard - step.seconds)
            continue
        now = time.monotonic()
        flow = tcp_reference.after(flow, step, policy, now)
        assert passes(gateway, step.side, step.flags) is (flow is not None), (number, steps)
        if flow is None:
            continue
        found = standing(gateway)
        assert found, (number, steps)
        assert found[0] == flow.state, (number, steps)
        slack = 1 + time.monotonic() - began  # a flow is written once a second
        assert abs(found[1] - (flow.expires - now)) <= slack, (number, found, flow, steps)
