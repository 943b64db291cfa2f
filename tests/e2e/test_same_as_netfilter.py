"""The same packets by iptables in the kernel and by its rules imported: the same verdict, the same pool."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from snatsh.compile.compiler import compile_profile
from snatsh.compile.image import Image
from snatsh.compile.matcher import Packet, judge
from snatsh.interop.dialects import import_text
from snatsh.model.document import to_profile
from snatsh.model.facts import Facts, InterfaceFacts

BOX = (("eth0", 2, "10.0.0.1/8"), ("eth1", 3, "1.1.2.2/24"), ("eth2", 4, "1.1.3.2/24"))
FACTS = Facts(
    {name: InterfaceFacts(at, bytes(6), 1500, True, (IPv4Interface(own),)) for name, at, own in BOX}
)
SOURCES = ("10.1.2.3", "10.1.2.200", "10.1.9.9", "10.7.7.7", "192.168.4.4")
DESTINATIONS = ("8.8.8.8", "8.9.9.9", "9.1.1.1")
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}
PACKETS = [(s, d, p) for s in SOURCES for d in DESTINATIONS for p in PROTOCOLS]
RULE_SETS = 12


def rule_set(seed: int) -> str:
    """Rules that meet in every way: broad before narrow, exempt between, ranges."""
    pick = random.Random(seed)
    lines = []
    for _ in range(pick.randint(2, 7)):
        words = [
            pick.choice(["", "-s 10.0.0.0/8", "-s 10.1.0.0/16", "-s 10.1.2.0/24",
                         "-m iprange --src-range 10.1.2.100-10.1.9.20"]),
            pick.choice(["", "", "-d 8.0.0.0/8", "-d 8.8.0.0/16", "-d 9.1.1.1/32"]),
            pick.choice(["", "", "-o eth1", "-o eth2"]),
            pick.choice(["", "", "-p tcp", "-p udp", "-p icmp"]),
            pick.choice(["-j ACCEPT", "-j RETURN", "-j SNAT --to-source 1.1.2.100-1.1.2.103",
                         "-j SNAT --to-source 1.1.3.50-1.1.3.51 --persistent",
                         "-j SNAT --to-source 1.1.4.7"]),
        ]  # fmt: skip
        lines.append(" ".join(["-A POSTROUTING", *filter(None, words)]))
    return "\n".join(["*nat", ":POSTROUTING ACCEPT [0:0]", *lines, "COMMIT", ""])


def by_netfilter(rules: list[str]) -> list[list[str]]:
    """The source on the wire, of each rule set and packet."""
    oracle = Path(__file__).with_name("netfilter.py")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(oracle)],
        input=json.dumps({"rules": rules, "packets": PACKETS}),
        text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def imported(rules: str) -> Image:
    document, _ = import_text(rules)
    document["interfaces"] = {
        "eth0": {"role": "inside"},
        "eth1": {"role": "outside"},
        "eth2": {"role": "outside"},
    }
    return compile_profile(to_profile(document), FACTS)


def allowed(image: Image, source: str, destination: str, protocol: str) -> set[str]:
    """The sources a packet may leave with by our rules."""
    out, hop = (4, "1.1.3.1") if destination.startswith("9.") else (3, "1.1.2.1")
    ends = IPv4Address(source), IPv4Address(destination)
    outcome = judge(image, Packet(*ends, PROTOCOLS[protocol], 2000, 80, out, IPv4Address(hop)))
    if outcome.verdict == "pass":
        return {source}
    assert outcome.rule is not None
    pool = image.pools[outcome.rule.pool]
    return (
        {str(pool.address(index)) for index in range(pool.size)} if outcome.verdict == "translate" else set()
    )


def test_the_same_verdict_and_an_address_of_the_same_pool() -> None:
    rules = [rule_set(seed) for seed in range(RULE_SETS)]
    translated = 0
    for text, sources in zip(rules, by_netfilter(rules), strict=True):
        image = imported(text)
        for packet, source in zip(PACKETS, sources, strict=True):
            assert source in allowed(image, *packet), f"{packet} left as {source} by\n{text}"
            translated += source != packet[0]
    assert RULE_SETS * len(PACKETS) // 10 < translated < RULE_SETS * len(PACKETS), "both verdicts were met"
