# SPDX-License-Identifier: Apache-2.0
"""What becomes of a TCP flow with each segment, by the RFCs.

These are 5382 (section 5), 6146 (section 3.5.2.2), 7857 (sections 2 and 7.1), and 4787 (REQ-6). Flags alone
are looked at, as by a NAT that does not follow sequence numbers.

Where they differ, this is as docs/rfc.md says: the third segment of the handshake establishes (5382), not the
second one (6146), and one FIN begins the closing phase (5382), not both (6146).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

REFUSED_SECONDS = 1.0


class Side(StrEnum):
    INSIDE = "inside"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Segment:
    """flags: letters of SYN, ACK, FIN, RST, PSH and URG."""

    side: Side
    flags: str

    @property
    def asks_for_a_connection(self) -> bool:
        return "S" in self.flags and not set(self.flags) & set("AFR")

    @property
    def goes_on_with_a_connection(self) -> bool:
        return "A" in self.flags and "R" not in self.flags and not {"S", "F"} <= set(self.flags)


@dataclass(frozen=True)
class Policy:
    """timeouts: seconds by state. strangers: filtering admits anyone."""

    timeouts: Mapping[str, int]
    mid_stream: bool = True
    refresh_inbound: bool = False
    strangers: bool = False


@dataclass(frozen=True)
class Flow:
    """opener: who has sent the SYN. answered: the other side has sent something other than a reset.

    accepted: the subscriber has opened the flow or answered it. heard: when it sent something last.
    """

    opener: Side
    expires: float
    heard: float
    state: str = "unreplied"
    answered: bool = False
    accepted: bool = True
    closed_by: frozenset[Side] = field(default_factory=frozenset)


def after(flow: Flow | None, segment: Segment, policy: Policy, now: float) -> Flow | None:
    """The flow that the segment belongs to, as it is then; None: the segment is dropped."""
    if flow is None or now >= flow.expires:
        flow = opened(segment, policy, now)
        if flow is None:
            return None
    reset = "R" in segment.flags
    if segment.side is Side.INSIDE and not reset:
        flow = replace(flow, accepted=True)
    changed = next_state(flow, segment)
    expires = next_expiry(flow, changed, segment, policy, now)
    if segment.side is Side.INSIDE and not reset:
        changed = replace(changed, heard=now)
    return replace(changed, expires=expires)


def opened(segment: Segment, policy: Policy, now: float) -> Flow | None:
    if segment.side is Side.OUTSIDE:
        may_open = policy.strangers and segment.asks_for_a_connection
    else:
        may_open = segment.asks_for_a_connection or (policy.mid_stream and segment.goes_on_with_a_connection)
    expires = now + policy.timeouts["unreplied"]
    return Flow(segment.side, expires, now, accepted=segment.side is Side.INSIDE) if may_open else None


def next_state(flow: Flow, segment: Segment) -> Flow:
    if segment.asks_for_a_connection and flow.state in ("transitory", "time-wait"):
        return replace(flow, state="unreplied", opener=segment.side, answered=False, closed_by=frozenset())
    if "F" in segment.flags:
        flow = replace(flow, closed_by=flow.closed_by | {segment.side})
    answers = segment.side is not flow.opener and "R" not in segment.flags
    return replace(flow, state=state_after(flow, segment), answered=flow.answered or answers)


def state_after(flow: Flow, segment: Segment) -> str:
    if flow.closed_by:
        return "time-wait" if len(flow.closed_by) == 2 else "transitory"
    if "R" in segment.flags:
        return "transitory"
    acknowledges = "A" in segment.flags and "S" not in segment.flags
    completes = flow.state == "unreplied" and segment.side is flow.opener
    if acknowledges and flow.answered and (completes or flow.state == "transitory"):
        return "established"
    return flow.state


def next_expiry(flow: Flow, changed: Flow, segment: Segment, policy: Policy, now: float) -> float:
    timeout = policy.timeouts[changed.state]
    if segment.side is Side.INSIDE and not flow.accepted:  # a reset: whoever asked is refused
        return min(flow.expires, now + REFUSED_SECONDS)
    if "R" not in segment.flags and (segment.side is Side.INSIDE or policy.refresh_inbound):
        return now + timeout
    if (flow.state, changed.state) == ("unreplied", "established"):
        return flow.heard + timeout
    return min(flow.expires, now + timeout)
