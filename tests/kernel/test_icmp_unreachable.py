# SPDX-License-Identifier: Apache-2.0
"""ICMP errors for refused flows (RFC 1812, section 5.2.7.1; RFC 5508, REQ-8)."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.packet import Raw

from tests.kernel.frames import echo, from_inside, tcp, udp
from tests.kernel.rig import GATEWAY_MAC, INSIDE_HOST_MAC, OWN, Rig, checksums_right

NO_RULE: dict[str, Any] = {"rules": {"10": {"source": "10.9.0.0/16", "action": "exempt"}}}


def telling(limit: int = 10, **document: Any) -> dict[str, Any]:
    return {**NO_RULE, **document, "limits": {"refusals": limit, **document.get("limits", {})}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(telling())
    gateway.end_flows()
    gateway.clear("refusal_rates")
    gateway.datapath.clear_counters()


@pytest.mark.parametrize(
    "l4", [udp(5000, 53), tcp(5000, 80, "S", b"data" * 200), echo(77)], ids=["udp", "tcp", "echo"]
)
def test_icmp_error_quotes_the_refused_packet(gateway: Rig, l4: Any) -> None:
    frame = from_inside(l4)
    output = gateway.outbound(frame)
    assert output.verdict == "refused"
    assert (output.frame[IP].src, output.frame[IP].dst) == (OWN, "192.168.40.9")
    assert (output.frame[ICMP].type, output.frame[ICMP].code) == (3, 13)
    assert checksums_right(output.frame)
    assert bytes(output.frame[ICMP].payload) == bytes(frame[IP])[:28], "header and eight octets (RFC 792)"
    assert len(output.frame) == 70
    if gateway.hook != "tc-egress":  # there the stack fills the addresses in
        assert (output.frame.dst, output.frame.src) == (INSIDE_HOST_MAC, GATEWAY_MAC)
    assert gateway.datapath.drops()["no-rule"].packets == 1


@pytest.mark.serial
def test_icmp_errors_are_rate_limited_per_subscriber(gateway: Rig) -> None:
    gateway.commit(telling(limit=3))
    verdicts = [gateway.outbound(from_inside(udp(5000 + n, 53))).verdict for n in range(20)]
    assert 3 <= verdicts.count("refused") <= 6, "a second may end in between"
    assert verdicts.count("refused") + verdicts.count("dropped") == 20
    assert gateway.outbound(from_inside(udp(5000, 53), "192.168.40.10")).verdict == "refused"
    gateway.commit(telling(limit=0))
    assert gateway.outbound(from_inside(udp(5000, 53), "10.1.2.3")).verdict == "dropped"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"pools": {"a": {"address": ["1.1.2.100"], "ports": "2000-2000"}}}, "pool-exhausted"),
        ({"limits": {"subscriber": {"sessions": 1}}}, "subscriber-limit"),
        ({"limits": {"subscriber": {"new-flows": 1}}}, "subscriber-rate"),
        ({"limits": {"subscriber": {"half-open": 1}}}, "half-open"),
    ],
)
def test_exhaustion_and_limits_cause_icmp_errors(gateway: Rig, document: dict[str, Any], reason: str) -> None:
    pools = {"a": {"address": ["1.1.2.100"]}}
    gateway.commit(telling(**{"pools": pools, "rules": {"10": {"pool": "a"}}, **document}))
    for attempt in range(3):  # a second may end in between
        gateway.outbound(from_inside(udp(5000 + 2 * attempt, 53)))
        if gateway.outbound(from_inside(udp(5001 + 2 * attempt, 53))).verdict == "refused":
            break
    else:
        pytest.fail("never refused")
    assert gateway.datapath.drops()[reason].packets >= 1


def test_packets_that_cause_no_icmp_error(gateway: Rig) -> None:
    """Errors about errors, parts of packets, and what a rule drops on purpose (RFC 1122, section 3.2.2)."""
    quoted = Raw(bytes(from_inside(udp(1, 2))[IP])[:28])
    for frame in (
        from_inside(ICMP(type=3, code=3) / quoted),
        from_inside(udp(5000, 53, b"x" * 64), flags="MF"),
        from_inside(echo(77, kind=0)),
    ):
        assert gateway.outbound(frame).verdict in ("dropped", "passed"), frame.summary()
    gateway.commit(telling(rules={"10": {"action": "drop"}}))
    assert gateway.outbound(from_inside(udp(5000, 53))).verdict == "dropped"
