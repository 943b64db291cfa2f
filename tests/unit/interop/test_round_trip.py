# SPDX-License-Identifier: Apache-2.0
"""Rules survive export and import in every dialect, and ordered rules keep their effect."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snatsh.interop import netfilter, snat_rules
from snatsh.interop.dialects import DIALECTS
from snatsh.interop.exporting import export
from snatsh.interop.first_match import resolve
from snatsh.interop.importing import assemble, read
from snatsh.interop.intermediate import Imported, ImportedAction, ImportedMatch
from snatsh.model.document.document import to_profile
from snatsh.model.values import Address
from tests.unit.interop.strategies import as_rules, prefixes, rule_lists


@pytest.mark.parametrize("dialect", ["ipvsadm", "keepalived", "iptables"])
@given(pairs=rule_lists)
def test_exported_rules_import_unchanged(
    dialect: str, pairs: list[tuple[ImportedMatch, ImportedAction]]
) -> None:
    document, _ = assemble(Imported("test", as_rules(pairs)))
    text = export(document, dialect)
    cannot = snat_rules.cannot if dialect in ("ipvsadm", "keepalived") else netfilter.cannot
    sayable = [pair for pair in pairs if not cannot(*pair)]
    assert text.count("left out:") == len(pairs) - len(sayable)
    found = [(rule.match, rule.action) for rule in read(text, dialect).rules]
    assert sorted(map(str, found)) == sorted(map(str, sayable))


@given(pairs=rule_lists)
def test_reimported_profile_is_equal(pairs: list[tuple[ImportedMatch, ImportedAction]]) -> None:
    sayable = [pair for pair in pairs if not snat_rules.cannot(*pair)]
    document, _ = assemble(Imported("test", as_rules(sayable)))
    again, _ = assemble(read(export(document, "keepalived"), "keepalived"))
    assert again.get("rules") == document.get("rules")
    assert again.get("pools") == document.get("pools")
    to_profile(again)


def fits(match: ImportedMatch, packet: ImportedMatch) -> bool:
    """Whether a packet, given as a match of one address each, is matched."""
    for name in ("protocol", "out_interface", "next_hop", "fwmark"):
        if getattr(match, name) not in (None, getattr(packet, name)):
            return False
    for name in ("source", "destination"):
        asked, has = getattr(match, name), getattr(packet, name)
        if asked is not None and not has.subnet_of(asked):
            return False
    return True


@given(pairs=rule_lists, packet=st.data())
def test_most_specific_match_equals_first_match_of_the_source(
    pairs: list[tuple[ImportedMatch, ImportedAction]], packet: st.DataObject
) -> None:
    rules = as_rules(pairs)
    resolved, _ = resolve(rules)
    for _ in range(8):
        seen = ImportedMatch(
            packet.draw(prefixes().map(lambda one: IPv4Network(one.network_address))),
            packet.draw(prefixes().map(lambda one: IPv4Network(one.network_address))),
            packet.draw(st.sampled_from(["tcp", "udp", "icmp"])),
            packet.draw(st.sampled_from(["eth1", "eth2", "eth3"])),
            packet.draw(st.sampled_from([Address("1.1.2.1"), Address("1.1.3.1")])),
            packet.draw(st.sampled_from([0, *(match.fwmark for match, _ in pairs if match.fwmark)])),
        )
        first = next((rule.action for rule in rules if fits(rule.match, seen)), None)
        numbered = [(n, rule.match, rule.action) for n, rule in enumerate(resolved)]
        exact = netfilter.ordered([one for one in numbered if fits(one[1], seen)])
        assert (exact[0][2] if exact else None) == first


def test_exports_report_omissions() -> None:
    document = {
        "pools": {"a": {"address": ["1.1.2.1", "1.1.2.9"]}},
        "links": {"isp": {"interface": "eth1", "next-hop": "1.1.2.254"}},
        "rules": {"10": {"pool": "a", "source": "10.0.0.0/8", "algorithm": "least-used"}},
    }
    writers = [dialect.name for dialect in DIALECTS if dialect.write is not None]
    assert sorted(writers) == ["iptables", "ipvsadm", "keepalived", "nft"]
    for dialect in writers:
        text = export(document, dialect)
        assert "rule 10 left out" in text
        assert "links, link groups and their monitors are left out" in text


@pytest.mark.parametrize("dialect", ["iptables", "nft", "keepalived"])
def test_netfilter_keeps_the_class_of_ports(dialect: str) -> None:
    """Where no ports are given; see test_port_class.py of the kernel tests."""
    pool = {"address": ["1.1.2.100"], "ports": "1-65535", "port-class": "preserve"}
    document = {"pools": {"a": pool}, "rules": {"10": {"source": "10.0.0.0/8", "pool": "a"}}}
    text = export(document, dialect)
    assert ("port class is left out" in text) is (dialect == "keepalived")
    if dialect == "iptables":
        assert "--to-source 1.1.2.100 " in f"{text} ".replace("\n", " ")
        again, _ = assemble(read(text, dialect))
        assert list(again["pools"].values()) == [pool]
    few = export({**document, "pools": {"a": {**pool, "ports": "500-2000"}}}, dialect)
    assert "port class is left out" in few
