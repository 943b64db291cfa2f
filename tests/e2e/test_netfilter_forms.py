# SPDX-License-Identifier: Apache-2.0
"""Each form of source NAT as iptables and nft print it, and how it is imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from snatsh.interop.importing import import_text
from snatsh.interop.report import Report
from snatsh.lab.namespaces import Lab, Namespace
from snatsh.model.document.document import Document
from snatsh.model.values import Address

OWN = {"eth1": Address("1.1.2.2"), "eth2": Address("1.1.3.2")}


@pytest.fixture
def box(bare_lab: Lab) -> Iterator[Namespace]:
    yield bare_lab["gateway"]
    bare_lab["gateway"].run("nft", "flush", "ruleset")


def by_iptables(box: Namespace, *rules: str) -> tuple[Document, Report]:
    for rule in rules:
        box.run("iptables", "-t", "nat", "-A", "POSTROUTING", *rule.split())
    return import_text(box.run("iptables-save").stdout, "iptables", OWN)


def by_nft(box: Namespace, body: str) -> tuple[Document, Report]:
    chain = "chain out { type nat hook postrouting priority srcnat; "
    box.run("nft", "-f", "-", stdin=f"table ip t {{ {body.replace('chain {', chain)}\n}}")
    return import_text(box.run("nft", "-j", "list", "ruleset").stdout, "nft", OWN)


def rules(document: Document) -> list[tuple[Any, ...]]:
    """Of each rule: its source, the rest of what it asks, and the addresses it gives."""
    found = []
    for entry in document.get("rules", {}).values():
        pool = document["pools"][entry["pool"]]["address"] if "pool" in entry else []
        rest = {key: entry[key] for key in entry if key not in ("source", "pool")}
        found.append((entry.get("source"), rest, pool))
    return found


def output(report: Report, kind: str) -> list[str]:
    return [one.text for one in report.findings if one.kind == kind]


def test_masquerade_uses_the_interface_address(box: Namespace) -> None:
    document, report = by_iptables(box, "-s 10.0.0.0/8 -o eth1 -j MASQUERADE --random-fully")
    assert rules(document) == [("10.0.0.0/8", {"out-interface": "eth1"}, ["1.1.2.2"])]
    assert any("follows the address of eth1" in text for text in output(report, "differs"))


@pytest.mark.parametrize("rule", ["-s 10.0.0.0/8 -j MASQUERADE", "-o eth9 -j MASQUERADE"])
def test_masquerade_without_an_address_is_reported(box: Namespace, rule: str) -> None:
    document, report = by_iptables(box, rule)
    assert rules(document) == []
    assert any("masquerade" in text for text in output(report, "no-counterpart"))


def test_netmap_is_a_rule_for_each_host(box: Namespace) -> None:
    document, _ = by_iptables(box, "-s 10.1.0.0/30 -o eth1 -j NETMAP --to 1.1.5.0/30")
    out = {"out-interface": "eth1"}
    assert rules(document) == [(f"10.1.0.{host}/32", out, [f"1.1.5.{host}"]) for host in range(4)]


def test_netmap_of_many_hosts_is_reported(box: Namespace) -> None:
    document, report = by_iptables(box, "-s 10.0.0.0/8 -j NETMAP --to 11.0.0.0/8")
    assert rules(document) == []
    assert any("one-to-one" in text for text in output(report, "no-counterpart"))


@pytest.mark.parametrize("target", ["RETURN", "ACCEPT"])
def test_accepted_before_nat_becomes_exempt(box: Namespace, target: str) -> None:
    document, _ = by_iptables(
        box, f"-d 10.0.0.0/8 -j {target}", "-s 10.0.0.0/8 -o eth1 -j SNAT --to-source 1.1.2.100"
    )
    actions = {str(rule.get("destination")): rule.get("action") for _, rule, _ in rules(document)}
    assert actions["10.0.0.0/8"] == "exempt"


def test_address_ranges_flags_and_ports(box: Namespace) -> None:
    document, report = by_iptables(
        box,
        "-m iprange --src-range 10.0.0.1-10.0.0.6 -p tcp -j SNAT --to-source 1.1.2.100-1.1.2.110:2000-3000"
        " --random-fully --persistent",
    )
    found = rules(document)
    assert [source for source, _, _ in found] == ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"]
    assert all(rest == {"protocol": "tcp", "algorithm": "source-hash"} for _, rest, _ in found)
    (pool,) = document["pools"].values()
    assert (pool["address"], pool["ports"]) == (["1.1.2.100-1.1.2.110"], "2000-3000")
    assert any("random ports" in text for text in output(report, "differs"))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("-p tcp -m multiport --dports 80,443 -j SNAT --to-source 1.1.2.9", "neither ports"),
        ("! -s 10.0.0.0/8 -j SNAT --to-source 1.1.2.9", "negated"),
        ("-o eth+ -j SNAT --to-source 1.1.2.9", "one name"),
        ("-p gre -j SNAT --to-source 1.1.2.9", "protocol"),
        ("-s 10.0.0.0/8", "only counts"),
    ],
)
def test_forms_without_a_counterpart_are_omitted_and_reported(box: Namespace, rule: str, reason: str) -> None:
    document, report = by_iptables(box, rule, "-s 10.2.0.0/16 -o eth1 -j SNAT --to-source 1.1.2.8")
    assert [source for source, _, _ in rules(document)] == ["10.2.0.0/16"]
    assert any(reason in text for text in output(report, "no-counterpart")), output(report, "no-counterpart")


def test_sets_are_read_from_ipset_save() -> None:
    rule = "*nat\n-A POSTROUTING -m set --match-set lan src -o eth1 -j SNAT --to-source 1.1.2.9\nCOMMIT\n"
    document, _ = import_text(
        f"create lan hash:net\nadd lan 10.1.0.0/16\nadd lan 10.2.0.0/16\n{rule}", "iptables"
    )
    assert [source for source, _, _ in rules(document)] == ["10.1.0.0/16", "10.2.0.0/16"]
    document, report = import_text(rule, "iptables")
    assert rules(document) == []
    assert any("expected the output of ipset save" in text for text in output(report, "no-counterpart"))


def test_nft_masquerade(box: Namespace) -> None:
    document, _ = by_nft(box, 'chain { ip saddr 10.0.0.0/8 oifname { "eth1", "eth2" } masquerade random\n}')
    assert rules(document) == [
        ("10.0.0.0/8", {"out-interface": "eth1"}, ["1.1.2.2"]),
        ("10.0.0.0/8", {"out-interface": "eth2"}, ["1.1.3.2"]),
    ]


def test_nft_maps_sets_and_intervals(box: Namespace) -> None:
    document, _ = by_nft(
        box,
        """
        set lan { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.2.0.0-10.2.0.3 } }
        map to {
            type ipv4_addr : ipv4_addr; flags interval
            elements = { 10.3.0.0/16 : 1.1.2.103, 10.4.0.0/16 : 1.1.2.104 }
        }
        chain {
            ip saddr @lan oifname "eth1" snat to 1.1.2.100-1.1.2.110 persistent
            oifname "eth2" snat to ip saddr map @to
            ip saddr { 10.5.0.1, 10.5.0.9 } accept
        }
        """,
    )
    found = {source: (rest, pool) for source, rest, pool in rules(document)}
    persistent = {"out-interface": "eth1", "algorithm": "source-hash"}
    assert found["10.1.0.0/16"] == found["10.2.0.0/30"] == (persistent, ["1.1.2.100-1.1.2.110"])
    assert found["10.3.0.0/16"] == ({"out-interface": "eth2"}, ["1.1.2.103"])
    assert found["10.4.0.0/16"] == ({"out-interface": "eth2"}, ["1.1.2.104"])
    assert found["10.5.0.1/32"] == found["10.5.0.9/32"] == ({"action": "exempt"}, [])


def test_nft_statements_without_a_counterpart_are_reported(box: Namespace) -> None:
    document, report = by_nft(
        box,
        """
        chain {
            tcp dport 443 snat to 1.1.2.9
            ip saddr != 10.0.0.0/8 snat to 1.1.2.9
            ip saddr 10.2.0.0/16 snat to 1.1.2.8
        }
        """,
    )
    assert [source for source, _, _ in rules(document)] == ["10.2.0.0/16"]
    assert len(output(report, "no-counterpart")) == 2
