# SPDX-License-Identifier: Apache-2.0
"""Nothing leaves untranslated and other traffic is not touched: odd packets and ICMP errors."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP, ICMPerror, IPerror, IPOption_RR, TCPerror, UDPerror
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from tests.kernel.frames import ROUTER_MAC, echo, from_inside, from_outside, reply_to, tcp, udp
from tests.kernel.rig import GATEWAY_MAC, Rig, checksums_right, internet_sum

RULES = {"pools": {"a": {"address": ["1.1.2.100"]}}, "rules": {"10": {"pool": "a"}}}


@pytest.fixture(autouse=True)
def fresh(gateway: Rig) -> None:
    gateway.commit(RULES)
    gateway.end_flows()
    gateway.datapath.clear_counters()


def at_egress(gateway: Rig, frame: Any) -> Any:
    """What the guard makes of it, as when XDP handed it up and the stack routed it."""
    return gateway.tc("tc_outside_out", "eth1", frame, came_in="eth0")


CANNOT = [
    pytest.param(from_inside(Raw(b"\0" * 20), proto=47), "protocol", id="GRE"),
    pytest.param(from_inside(Raw(b"\0" * 20), proto=50), "protocol", id="ESP"),
    pytest.param(from_inside(Raw(b"\0" * 20), proto=132), "protocol", id="SCTP"),
    pytest.param(from_inside(ICMP(type=15)), "protocol", id="ICMP information request"),
    pytest.param(from_inside(ICMP(type=4)), "protocol", id="ICMP source quench"),
    pytest.param(from_inside(Raw(b"x" * 64), proto=17, frag=100), "fragment", id="without its first"),
    pytest.param(from_inside(Raw(b"x" * 64), proto=6, frag=1), "malformed", id="over the TCP header"),
    pytest.param(from_inside(Raw(b"1234"), proto=17, flags="MF"), "malformed", id="tiny first fragment"),
    pytest.param(from_inside(Raw(b"abc"), proto=17), "malformed", id="UDP header cut"),
    pytest.param(from_inside(Raw(b"abcdefghij"), proto=6), "malformed", id="TCP header cut"),
    pytest.param(
        from_inside(ICMP(type=3, code=3) / IP(src="9.9.9.9", dst="192.168.40.9") / udp(1, 2)), "icmp-no-flow",
        id="ICMP error about nothing",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "reason"), CANNOT)
def test_untranslatable_packets_are_dropped(gateway: Rig, frame: Any, reason: str) -> None:
    assert gateway.outbound(frame).verdict in ("passed", "dropped"), "it may only be handed up"
    gateway.datapath.clear_counters()
    assert at_egress(gateway, frame).verdict == "dropped"
    assert gateway.drops() == {reason: 1}


def test_packets_with_ip_options_are_translated_at_the_egress(gateway: Rig) -> None:
    frame = from_inside(udp(5000, 53), options=[IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])])
    sent = at_egress(gateway, frame)
    assert sent.frame[IP].src == "1.1.2.100"
    assert checksums_right(sent.frame)


def test_traffic_of_the_gateway_is_not_translated(gateway: Rig) -> None:
    frame = from_inside(udp(5000, 53), source="1.1.2.2")
    assert gateway.tc("tc_outside_out", "eth1", frame).verdict == "passed"
    assert gateway.inbound(from_outside(udp(53, 5000), "1.1.2.2"), "eth1").verdict == "passed"


@pytest.mark.parametrize("source", ["0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255"])
def test_martian_sources_are_passed_to_the_stack(gateway: Rig, source: str) -> None:
    if gateway.hook == "tc-egress":
        pytest.skip("the stack has dropped it before the egress")
    assert gateway.outbound(from_inside(udp(5000, 53), source=source)).verdict == "passed"
    assert not len(gateway.datapath.flows())


def test_traffic_between_inside_networks_is_not_translated(gateway: Rig) -> None:
    frame = from_inside(udp(5000, 53), destination="192.168.77.1")
    if gateway.hook == "xdp":
        assert gateway.outbound(frame).verdict == "passed"
    assert not len(gateway.datapath.flows())


def test_unmatched_stack_passes_pool_traffic_to_the_stack(gateway: Rig) -> None:
    probe = from_outside(tcp(4000, 22, "S"), "1.1.2.100")
    assert gateway.inbound(probe, "eth1").verdict == "dropped"
    assert gateway.drops() == {"no-flow": 1}
    gateway.commit({**RULES, "pools": {"a": {"address": ["1.1.2.100"], "unmatched": "stack"}}})
    assert gateway.inbound(probe, "eth1").verdict == "passed"


def test_expired_ttl_and_oversized_packets_are_passed_to_the_stack(gateway: Rig) -> None:
    if gateway.hook == "tc-egress":
        pytest.skip("at the egress the stack has looked at both already")
    assert gateway.outbound(from_inside(udp(5000, 53), ttl=1)).verdict == "passed"
    gateway.outbound(from_inside(udp(5000, 53)))
    assert gateway.outbound(from_inside(udp(5000, 53, b"x" * 1600), flags="DF")).verdict == "passed"
    if gateway.hook == "xdp":
        counts = gateway.datapath.passed_to_stack()
        assert (counts["ttl"].packets, counts["mtu"].packets) == (1, 1)


def quoted(frame: Any) -> Any:
    """The IP packet of a frame, as an ICMP error quotes it."""
    return Raw(bytes(frame[IP])[: 20 + 8])


@pytest.mark.parametrize("l4", [udp(5000, 33434), tcp(5000, 80, "S"), echo(5000)], ids=["udp", "tcp", "echo"])
@pytest.mark.parametrize(
    "error", [ICMP(type=11), ICMP(type=3, code=4, nexthopmtu=1400), ICMP(type=3, code=3)]
)
def test_icmp_error_from_outside_reaches_the_subscriber(gateway: Rig, l4: Any, error: Any) -> None:
    """RFC 5508, REQ-3 and REQ-4: the quoted packet is the host's own again, with right checksums."""
    other = from_inside(l4, "192.168.40.10")
    gateway.outbound(other)
    original = from_inside(l4, "192.168.40.9")
    sent = gateway.outbound(original).frame  # the port is taken: this one gets another
    before = gateway.datapath.flows()["expires"].max()
    back = gateway.tc(
        "tc_outside_in", "eth1", from_outside(error / quoted(sent), "1.1.2.100", source="9.9.9.9")
    )
    assert back.verdict == "translated"
    assert back.frame[IP].dst == "192.168.40.9"
    assert back.frame[IP].src == "9.9.9.9"
    inner = bytes(back.frame[ICMP].payload)
    untouched = bytes(original[IP])[: 20 + 8]
    assert inner[12:20] == untouched[12:20], "addresses"
    assert inner[20:24] == untouched[20:24] or error_is_echo(back.frame), "ports"
    assert checksums_right(back.frame)
    assert internet_sum(inner[:20]) == 0xFFFF, "the quoted header's own checksum"
    assert gateway.datapath.flows()["expires"].max() <= before, "an error refreshes nothing"


def error_is_echo(frame: Any) -> bool:
    return ICMPerror in frame and frame[ICMPerror].id == 5000


def test_icmp_error_of_a_subscriber_has_the_external_source(gateway: Rig) -> None:
    sent = gateway.outbound(from_inside(udp(5000, 53))).frame
    received = gateway.inbound(reply_to(sent), "eth1").frame
    error = from_inside(ICMP(type=3, code=3) / quoted(received))
    out = at_egress(gateway, error)
    assert out.frame[IP].src == "1.1.2.100"
    assert out.frame[UDPerror].dport == sent[UDP].sport
    assert out.frame[IPerror].dst == "1.1.2.100"
    assert checksums_right(out.frame)
    assert b"\xc0\xa8\x28\x09" not in bytes(out.frame), "no inside address anywhere"


def test_icmp_error_of_the_gateway_reveals_no_inside_address(gateway: Rig) -> None:
    sent = gateway.outbound(from_inside(tcp(5000, 80, "S"))).frame
    received = gateway.inbound(reply_to(sent), "eth1").frame
    error = from_inside(ICMP(type=3, code=4, nexthopmtu=1200) / quoted(received), source="1.1.2.2")
    out = gateway.tc("tc_outside_out", "eth1", error)
    assert out.frame[IP].src == "1.1.2.2"
    assert out.frame[TCPerror].dport == 5000
    assert b"\xc0\xa8\x28\x09" not in bytes(out.frame)
    assert checksums_right(out.frame)


def arp_request(target: str, sender: str = "1.1.2.1") -> Any:
    return Ether(src=ROUTER_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=ROUTER_MAC, psrc=sender, pdst=target
    )


def test_arp_for_pool_addresses_is_answered_on_their_interface(gateway: Rig) -> None:
    answer = gateway.tc("tc_outside_in", "eth1", arp_request("1.1.2.100"))
    assert answer.redirected
    assert (answer.frame[ARP].op, answer.frame[ARP].psrc, answer.frame[ARP].pdst) == (
        2,
        "1.1.2.100",
        "1.1.2.1",
    )
    own = gateway.facts.interfaces["eth1"].mac.hex(":")
    assert (answer.frame[ARP].hwsrc, answer.frame.src, answer.frame.dst) == (own, own, ROUTER_MAC)
    assert gateway.tc("tc_outside_in", "eth2", arp_request("1.1.2.100")).verdict == "passed", "another link"
    assert gateway.tc("tc_outside_in", "eth1", arp_request("1.1.2.99")).verdict == "passed", "no pool address"
    gateway.commit({**RULES, "pools": {"a": {"address": ["1.1.2.100"], "announce": "none"}}})
    assert gateway.tc("tc_outside_in", "eth1", arp_request("1.1.2.100")).verdict == "passed"


def test_non_ip_frames_pass(gateway: Rig) -> None:
    for frame in (
        Ether(dst=GATEWAY_MAC, type=0x88CC) / Raw(b"lldp" * 20),
        Ether(dst=GATEWAY_MAC, type=0x86DD) / Raw(b"6" * 60),
    ):
        assert gateway.xdp("xdp_inside", "eth0", frame).verdict == "passed" if gateway.hook == "xdp" else True
        assert at_egress(gateway, frame).verdict == "passed"


def test_frames_are_not_redirected_from_xdp_into_an_interface_without_it(gateway: Rig) -> None:
    """They would be lost without a trace; the stack and the TC half take them instead."""
    if gateway.hook != "xdp":
        pytest.skip("needs XDP at the inside interface")
    gateway.commit({**RULES, "interfaces": interfaces(eth0="xdp", eth1="tc", eth2="tc")})
    frame = from_inside(udp(5000, 53))
    assert gateway.outbound(frame).verdict == "passed"
    sent = at_egress(gateway, frame)
    assert sent.frame[IP].src == "1.1.2.100"
    assert gateway.outbound(frame).verdict == "passed", "the TC half left no path that XDP would take"
    gateway.commit({**RULES, "interfaces": interfaces(eth0="tc", eth1="xdp", eth2="xdp")})
    reply = reply_to(sent.frame)
    assert gateway.inbound(reply, "eth1").verdict == "passed"
    assert gateway.tc("tc_outside_in", "eth1", reply).frame[IP].dst == "192.168.40.9"
    assert gateway.inbound(reply, "eth1").verdict == "passed"


def interfaces(**hooks: str) -> dict[str, Any]:
    roles = {"eth0": "inside", "eth1": "outside", "eth2": "outside"}
    return {name: {"role": role, "hook": hooks[name]} for name, role in roles.items()}
