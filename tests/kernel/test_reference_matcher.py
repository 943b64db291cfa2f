# SPDX-License-Identifier: Apache-2.0
"""The BPF programs agree with the reference matcher: verdict, address, and the way back."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP

from snatsh.compile.image import Algorithm
from snatsh.compile.reference_matcher import judge
from tests.kernel.frames import from_inside, reply_to, tcp
from tests.kernel.rig import Rig, checksums_right

SOURCES = ["192.168.40.9", "192.168.40.10", "192.168.50.9", "10.1.2.3", "10.1.2.4", "10.200.0.1"]
DESTINATIONS = ["8.8.8.8", "8.8.4.4", "203.0.113.9", "203.0.113.200", "1.1.2.50", "1.1.3.50", "1.1.2.1"]
POOLS = {
    "a": {"address": ["1.1.2.100-1.1.2.110"]},
    "b": {
        "address": ["1.1.3.100", "1.1.3.128/28", "1.1.3.110-1.1.3.120"],
        "exclude": ["1.1.3.130-1.1.3.133"],
    },
    "c": {"address": ["100.64.7.0/24"], "ports": "20000-40000"},
}


LINKS = {
    "isp-a": {"interface": "eth1", "next-hop": "1.1.2.1", "pool": "a"},
    "isp-b": {"interface": "eth2", "next-hop": "1.1.3.1"},
}
GROUPS = {
    "hosts": {"link": {"isp-a": {"weight": 3}, "isp-b": {"weight": 1}}},
    "flows": {"link": {"isp-a": {"weight": 1}, "isp-b": {"weight": 2}}, "spread": "flow"},
}


def prefixes(of: list[str]) -> st.SearchStrategy[str]:
    lengths = st.sampled_from([0, 8, 12, 16, 23, 24, 28, 31, 32])
    return st.builds(lambda a, n: str(IPv4Network(f"{a}/{n}", strict=False)), st.sampled_from(of), lengths)


def maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | strategy


RULES = st.fixed_dictionaries(
    {
        "source": maybe(prefixes(SOURCES)),
        "destination": maybe(prefixes(DESTINATIONS)),
        "protocol": maybe(st.sampled_from(["tcp", "udp", "icmp"])),
        "out-interface": maybe(st.sampled_from(["eth1", "eth2"])),
        "fwmark": maybe(st.sampled_from([1, 7])),
        "next-hop": maybe(st.sampled_from(["1.1.2.1", "1.1.3.1", "1.1.2.50"])),
        "action": st.sampled_from(["translate", "translate", "translate", "exempt", "drop"]),
        "pool": st.sampled_from(sorted(POOLS)),
        "algorithm": st.sampled_from([a.name.lower().replace("_", "-") for a in Algorithm]),
        "redirect": maybe(st.sampled_from(["1.1.2.1", "1.1.3.1"])),
        "group": maybe(st.sampled_from(sorted(GROUPS))),
    }
)


def rule_document(rule: dict[str, Any]) -> dict[str, Any]:
    translates = rule["action"] == "translate"
    left_out = set() if translates else {"pool", "algorithm", "redirect", "group"}
    if rule["group"]:
        left_out.add("redirect")
    return {key: value for key, value in rule.items() if value is not None and key not in left_out}


def _without_mark(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key != "fwmark"}


RULE_SETS = st.builds(
    lambda numbered, action: {
        "rules": {str(number): rule_document(rule) for number, rule in numbered.items()},
        "pools": POOLS,
        "links": LINKS,
        "link-groups": GROUPS,
        "system": {"default-action": action},
    },
    st.dictionaries(st.integers(1, 500), RULES, min_size=1, max_size=12),
    st.sampled_from(["drop", "pass"]),
)

PACKETS = st.tuples(
    st.sampled_from(SOURCES),
    st.sampled_from(DESTINATIONS),
    st.sampled_from(["tcp", "udp", "icmp"]),
    st.integers(1, 65535),
    st.integers(1, 65535),
    st.binary(max_size=40),
    st.sampled_from([0, 1, 7]),
)


def build(source: str, destination: str, protocol: str, sport: int, dport: int, payload: bytes) -> Any:
    l4 = {
        "tcp": tcp(sport, dport, "S"),
        "udp": UDP(sport=sport, dport=dport),
        "icmp": ICMP(type=8, id=sport, seq=dport),
    }
    return from_inside(l4[protocol] / payload, source, destination)


def own_port(frame: Any) -> int:
    return int(frame[ICMP].id if ICMP in frame else frame[IP].payload.sport)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=RULE_SETS, packets=st.lists(PACKETS, min_size=5, max_size=15))
def test_verdict_and_address_equal_those_of_the_reference_matcher(
    gateway: Rig, document: dict[str, Any], packets: list[Any]
) -> None:
    if gateway.hook != "tc-egress":  # where marks are seen
        document = {**document, "rules": {n: _without_mark(r) for n, r in document["rules"].items()}}
    image = gateway.commit(document)
    held = gateway.datapath.loaded(image)
    assert held.pools == image.pools
    for values in packets:
        frame = build(*values[:-1])
        mark = values[-1] if gateway.hook == "tc-egress" else 0
        expected = judge(image, gateway.packet(frame, mark))
        assert judge(held, gateway.packet(frame, mark)) == expected
        gateway.end_flows()
        sent = gateway.outbound(frame, mark)
        verdict = {"translate": "translated", "pass": "passed", "drop": "dropped"}[expected.verdict]
        assert sent.verdict == verdict, (frame.summary(), expected)
        if expected.verdict != "translate":
            if sent.verdict == "passed":
                assert bytes(sent.frame) == bytes(frame)
            continue
        assert expected.rule is not None
        pool = image.pools[expected.rule.pool]
        assert IPv4Address(sent.frame[IP].src) in expected.addresses
        assert own_port(sent.frame) in pool.ports
        if own_port(frame) in pool.ports:
            assert own_port(sent.frame) == own_port(frame), "a free source port is kept"
        assert checksums_right(sent.frame)
        assert sent.frame[IP].ttl == (64 if gateway.hook == "tc-egress" else 63)
        back = gateway.inbound(reply_to(sent.frame), "eth1")
        assert back.verdict == "translated"
        assert back.frame[IP].dst == frame[IP].src
        assert checksums_right(back.frame)
        returned = back.frame[ICMP].id if ICMP in back.frame else back.frame[IP].payload.dport
        assert returned == own_port(frame)


VECTORS = (Path(__file__).parents[1] / "unit/compile/lvs_snat_ip_selection.txt").read_text().splitlines()


def test_programs_select_the_same_address_as_lvs_snat(gateway: Rig) -> None:
    for algorithm, column in (("source-hash", 6), ("source-destination-hash", 7)):
        gateway.commit({"pools": POOLS, "rules": {"1": {"pool": "a", "algorithm": algorithm}}})
        gateway.end_flows()
        for line in VECTORS:
            source, port, destination, *_ = line.split()
            sent = gateway.outbound(build(source, destination, "udp", int(port), 53, b""))
            assert sent.frame[IP].src == line.split()[column - 1].partition("=")[2]
