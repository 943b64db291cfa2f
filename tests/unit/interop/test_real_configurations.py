# SPDX-License-Identifier: Apache-2.0
"""Real configurations of other systems in `cases`, with their exact result."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from snatsh.compile.compiler import compile_profile
from snatsh.compile.match import Packet
from snatsh.compile.reference_matcher import find_rule
from snatsh.interop.dialects import detect
from snatsh.interop.importing import import_text
from snatsh.interop.report import Report
from snatsh.model.document.document import Document, to_profile
from snatsh.model.errors import FormError
from snatsh.model.facts import Facts, InterfaceFacts

BOX = (("eth0", 2, "10.0.0.1/8"), ("eth1", 3, "1.1.2.2/24"), ("eth2", 4, "1.1.3.2/24"))
CASES = Path(__file__).parent / "cases"


def load(number: str) -> tuple[Document, Report]:
    (path,) = CASES.glob(f"{number}_*")
    return import_text(path.read_text())


def rules(document: Document) -> list[tuple[Any, ...]]:
    """Rules in order, each with the addresses of its pool."""
    found = []
    for entry in document.get("rules", {}).values():
        pool = document["pools"][entry["pool"]]["address"] if "pool" in entry else []
        given = {name: entry[name] for name in entry if name != "pool"}
        found.append((given, pool))
    return found


def traps(report: Report) -> list[tuple[int, str]]:
    return [(one.location.line, one.text) for one in report.findings if one.kind == "trap"]


def test_lvs_snat_commands() -> None:
    document, report = load("01")
    a, b = ["1.1.2.100-1.1.2.110"], ["1.1.3.100-1.1.3.110"]
    home = "192.168.40.0/24"
    assert rules(document) == [
        ({"source": home, "next-hop": "1.1.2.1", "out-interface": "eth1", "algorithm": "random"}, a),
        ({"source": home, "next-hop": "1.1.3.1", "out-interface": "eth2"}, b),
        (
            {
                "source": "192.168.50.0/24",
                "next-hop": "1.1.2.1",
                "redirect": "1.1.3.1",
                "algorithm": "source-hash",
            },
            b,
        ),
        ({"source": "192.168.0.0/16", "redirect": "1.1.3.1"}, b),
    ]
    assert [(row.location.line, row.rule) for row in report.rows] == [(7, 10), (11, 20), (17, 30), (21, 40)]
    assert [line for line, _ in traps(report)] == [7, 7, 7, 11, 11]


def test_keepalived_rules_with_equal_keys() -> None:
    document, report = load("02")
    assert len(document["rules"]) == 4
    assert document["rules"]["40"]["redirect"] == "1.1.3.1"
    assert [(line, text[:30]) for line, text in traps(report) if "key" in text] == [
        (32, "has the key of line 12: there ")
    ]


def test_keepalived_sample() -> None:
    document, _ = load("03")
    b, a = ["1.1.3.252-1.1.3.254"], ["1.1.2.252-1.1.2.254"]
    assert rules(document) == [
        ({"source": "192.168.40.0/24", "out-interface": "eth2", "algorithm": "random"}, b),
        ({"source": "10.0.0.0/8", "out-interface": "eth1"}, a),
        ({"source": "10.0.0.0/8", "destination": "1.1.0.0/16"}, a),
        ({"source": "10.1.0.0/16", "redirect": "1.1.2.1", "algorithm": "source-hash"}, a),
    ]


def test_more_specific_prefix_of_the_sample_wins() -> None:
    document, _ = load("03")
    interfaces = {
        name: InterfaceFacts(at, bytes(6), 1500, True, (IPv4Interface(own),)) for name, at, own in BOX
    }
    document["interfaces"]["eth0"] = {"role": "inside"}
    image = compile_profile(to_profile(document), Facts(interfaces))
    source, destination, hop = map(IPv4Address, ("10.1.2.3", "1.1.9.9", "1.1.2.1"))
    rule = find_rule(image, Packet(source, destination, 6, 1000, 80, 3, hop))
    assert rule is not None
    assert rule.number == 40


def test_misspelt_option_is_refused_with_its_position() -> None:
    with pytest.raises(FormError, match=r"'--persitent': .* did you mean --persistent") as refused:
        load("04")
    assert (refused.value.line, refused.value.column) == (2, 101)


def test_corrected_iptables_commands() -> None:
    (path,) = CASES.glob("04_*")
    document, _ = import_text(path.read_text().replace("--persitent", "--persistent", 1))
    home = "192.168.100.0/24"
    assert rules(document) == [
        ({"source": home, "out-interface": "eth1"}, ["1.1.2.100-1.1.2.102"]),
        ({"source": home, "out-interface": "eth2", "algorithm": "source-hash"}, ["1.1.3.100-1.1.3.102"]),
    ]
    assert document["system"]["default-action"] == "pass"


def test_lvs_dpdk_configuration() -> None:
    document, _ = load("09")
    assert rules(document) == [({"source": "10.1.0.0/16", "out-interface": "fp0"}, ["192.168.50.253"])]


def test_lvs_dpdk_configuration_commented_out() -> None:
    document, report = load("10")
    assert report.dialect == "lvs-dpdk"
    assert rules(document) == []
    assert [one.kind for one in report.findings] == ["passed-over"] * 8


LAN = ["0/25", "128/26", "192/27", "224/28", "240/29", "248/30", "252/31", "254/32"]
"""The prefixes that are 192.168.100.0-192.168.100.254."""


def test_dpvs_commands_with_shell_variables() -> None:
    document, _ = load("11")
    assert rules(document) == [
        (
            {
                "source": f"192.168.100.{prefix}",
                "protocol": protocol,
                "out-interface": "dpdk1",
                "algorithm": "round-robin",
            },
            ["123.1.2.3"],
        )
        for protocol in ("tcp", "icmp")
        for prefix in LAN
    ]


def test_dpvs_keepalived() -> None:
    document, report = load("12")
    found = rules(document)
    assert [rule["source"] for rule, _ in found if rule["protocol"] == "udp"] == [
        f"192.168.100.{prefix}" for prefix in LAN
    ]
    icmp = [rule for rule, _ in found if rule["protocol"] == "icmp"]
    assert {rule["destination"] for rule in icmp} == {f"123.1.2.{prefix}" for prefix in LAN}
    assert len(icmp) == 14 * 8
    assert document["interfaces"] == {"dpdk1": {"role": "outside"}, "dpdk0": {"role": "inside"}}
    assert [one.location.line for one in report.findings if one.kind == "differs"] == [21]


def test_keepalived_zones() -> None:
    document, report = load("18")
    assert rules(document) == [
        ({"source": "1.0.0.0/16", "algorithm": "round-robin"}, ["1.2.100.1", "1.2.100.2"]),
        ({"algorithm": "round-robin"}, ["1.2.100.3", "1.2.100.4"]),
    ]
    assert [one.text.split(":")[0] for one in report.findings if one.kind == "passed-over"] == [
        "global_defs", "vrrp_sync_group G1", "vrrp_instance VI_1",
    ]  # fmt: skip


def test_zone_with_a_deleted_address() -> None:
    document, report = load("19")
    assert report.dialect == "ipvsadm-zones"
    assert rules(document) == [({"action": "drop"}, [])]


def test_address_list_of_2014() -> None:
    document, _ = load("24")
    addresses = ["1.1.2.100", "1.1.2.101", "1.1.2.102"]
    assert rules(document) == [({"redirect": "1.1.2.1", "algorithm": "round-robin"}, addresses)]


def test_empty_dpvs_listing() -> None:
    document, report = load("26")
    assert rules(document) == []
    assert [one.location.line for one in report.findings] == [5]


def test_dpvs_listing() -> None:
    document, _ = load("27")
    found = rules(document)
    assert len(found) == 3 * 16
    assert {rule["protocol"] for rule, _ in found} == {"tcp", "udp", "icmp"}
    assert {tuple(pool) for _, pool in found} == {tuple(f"192.168.10.{n}" for n in (2, 4, 5, 6))}


@pytest.mark.parametrize("path", sorted(CASES.iterdir()), ids=lambda path: path.name[:2])
def test_every_sample_is_detected_and_imported(path: Path) -> None:
    text = path.read_text()
    assert detect(text)
    if not path.name.startswith("04"):
        document, _ = import_text(text)
        to_profile(document)


TRAPS = {
    "-F 10.1.2.3/24 -U 1.1.1.1": "has host bits set",
    "-F 0.0.0.0/0 -U 1.1.1.1": "never installed",
    "-F 10.0.0.0/8 --oif eth1 -U 1.1.1.1": "like eth10",
    "-F 10.0.0.0/8 --oif eth1 -W 9.9.9.9 -U 1.1.1.1": "was ignored there",
    "-F 10.0.0.0/8 -N 1.1.2.1 -U 1.1.1.1": "not in the /24 of the new gateway",
    "-F 10.0.0.0/8 -U 1.1.1.250-1.1.2.5": "crosses an octet",
    "-F 10.0.0.0/8 -U 1.1.1.1 -O random": "random hashed",
}


@pytest.mark.parametrize("words", TRAPS)
def test_lvs_snat_pitfalls_are_reported(words: str) -> None:
    _, report = import_text(f"ipvsadm -K -f 1 {words}\n")
    assert any(TRAPS[words] in text for _, text in traps(report))


def test_shadowing_catch_all_rule_is_reported() -> None:
    text = "ipvsadm -K -f 1 -F 10.0.0.0/8 --oif eth1 -U 1.1.1.1\nipvsadm -K -f 1 -F 10.0.0.0/8 -U 1.1.1.2\n"
    _, report = import_text(text)
    assert any(line == 2 and "hid it there" in found for line, found in traps(report))


def test_ipvsadm_save_output() -> None:
    document, report = import_text(
        "-A -f 1 -s snat_sched\n-K -f 1 -F 10.0.0.0/8 -W 1.1.2.1 -U 1.1.2.9 -O sh\n"
    )
    rule = {"source": "10.0.0.0/8", "next-hop": "1.1.2.1", "algorithm": "source-hash"}
    assert (report.dialect, rules(document)) == ("ipvsadm", [(rule, ["1.1.2.9"])])


def test_line_with_many_rules_has_one_finding() -> None:
    source = "-m iprange --src-range 10.0.0.1-10.0.0.30"
    _, report = import_text(f"*nat\n-A POSTROUTING {source} -j SNAT --to-source 1.1.2.9\nCOMMIT\n")
    output = [line for line in report.text().splitlines() if "->" in line]
    assert len(report.rows) == 8
    assert len(output) == 1
    assert output[0].startswith("  line 2 -> 8 rules, 10 to 80: -A POSTROUTING")


def test_edit_and_delete_commands_apply_to_earlier_ones() -> None:
    document, _ = import_text(
        "ipvsadm -A -f 1 -s snat_sched\n"
        "ipvsadm --add-snat -f 1 --from 10.1.0.0/16 --gw 1.1.2.1 --snat-ip 1.1.2.9\n"
        "ipvsadm --add-snat -f 1 --from 10.2.0.0/16 --gw 1.1.2.1 --snat-ip 1.1.2.9\n"
        "ipvsadm --edit-snat --from 10.1.0.0/16 --gw 1.1.2.1 --snat-ip 1.1.2.7 --algo sh --new-gw 1.1.2.8\n"
        "ipvsadm --delete-snat -f 1 --from 10.2.0.0/16 --gw 1.1.2.1\n"
        "ipvsadm --set 900 0 60\n"
    )
    rule = {"source": "10.1.0.0/16", "next-hop": "1.1.2.1", "redirect": "1.1.2.8", "algorithm": "source-hash"}
    assert rules(document) == [(rule, ["1.1.2.7"])]
    assert document["timeouts"] == {"tcp": {"established": 900}, "udp": {"replied": 60}}
